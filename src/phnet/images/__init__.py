"""Pictures and masks: the contract for arrays, decoding, encoding, color profiles."""

from phnet.images.arrays import blend, check_image, check_mask, check_pixels, mask_notes, to_float
from phnet.images.decoding import Source
from phnet.images.encoding import check_output, encoded, merged, save
from phnet.images.fitting import left_out
from phnet.images.handed_in import HandedIn, bounded, read_picture
from phnet.images.masks import Mask, load_mask, read_mask
from phnet.images.picture import Picture, from_pil, load, quiet_readers

__all__ = [
    "HandedIn",
    "Mask",
    "Picture",
    "Source",
    "blend",
    "bounded",
    "check_image",
    "check_mask",
    "check_output",
    "check_pixels",
    "encoded",
    "from_pil",
    "left_out",
    "load",
    "load_mask",
    "mask_notes",
    "merged",
    "quiet_readers",
    "read_mask",
    "read_picture",
    "save",
    "to_float",
]
