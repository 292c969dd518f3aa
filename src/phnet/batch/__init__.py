"""Many files at once: folders, one file's work, executors (threads, processes, Ray)."""
