"""Schemathesis asks the server what its OpenAPI allows, and some of what it does not."""

import io
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

pytest.importorskip("fastapi")
pytest.importorskip("uvicorn")
schemathesis = pytest.importorskip("schemathesis")

from schemathesis import GenerationMode  # noqa: E402
from schemathesis.specs.openapi.checks import positive_data_acceptance  # noqa: E402
from schemathesis.transport.serialization import Binary  # noqa: E402

from tests.waiting import PATIENCE  # noqa: E402
from tests.web.test_app import composite, running  # noqa: E402

KINDS = [
    *[("PNG", mode) for mode in ("RGB", "RGBA", "P", "L", "LA", "1", "I;16")],
    *[("JPEG", mode) for mode in ("RGB", "L", "CMYK")],
    *[("WEBP", "RGB"), ("WEBP", "RGBA"), ("TIFF", "RGB"), ("TIFF", "LAB")],
]

FILES = {"composite", "portrait", "background", "photo", "mask"}


def pictures() -> st.SearchStrategy[bytes]:
    """Pictures of many kinds, mostly of one size, since random bytes never decode; some those."""

    def picture(kind: tuple[str, str], height: int, width: int) -> bytes:
        image = Image.fromarray(composite(160)).resize((width, height))
        if kind[1] == "LAB":
            profiles = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
            image = ImageCms.profileToProfile(image, *profiles, outputMode="LAB")
        target = io.BytesIO()
        image.convert(kind[1]).save(target, kind[0])
        return target.getvalue()

    side = st.sampled_from([96, 96, 96, 96, 1, 33])
    made = st.builds(picture, st.sampled_from(KINDS), side, side)
    return st.one_of(made, made, made, st.binary(max_size=64))


def ask_everything(port: int, mode: GenerationMode, examples: int) -> list[tuple[str, int]]:
    """Ask each operation so often; what was asked and what the answer's status was."""
    schema = schemathesis.openapi.from_url(f"http://127.0.0.1:{port}/openapi.json")
    asked = []
    for made in schema.get_all_operations():
        operation = made.ok()
        if mode.is_negative and operation.method != "post":
            continue  # there is nothing to get wrong

        @seed(20402)
        @settings(
            max_examples=examples,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(generation_mode=mode), data=st.data())
        def ask(case: Any, data: st.DataObject) -> None:
            if mode.is_positive and case.method == "POST":
                for name in FILES & set(case.body):
                    case.body[name] = Binary(data.draw(pictures()))
                if data.draw(st.booleans()):
                    case.body.pop("model", None)  # a random name is no network's
            answer = case.call(timeout=PATIENCE)
            asked.append((case.operation.label, answer.status_code))
            # Bytes can be all that a schema says of a picture, and still be none.
            case.validate_response(answer, excluded_checks=[positive_data_acceptance])

        ask()
    return asked


@pytest.mark.slow
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_every_answer_is_one_that_the_openapi_describes(mode: GenerationMode) -> None:
    with running(workers=2) as client:
        asked = ask_everything(client.port, mode, 40)
    statuses = {status for label, status in asked if label == "POST /v1/harmonize"}
    assert statuses == ({422} if mode.is_negative else {200, 422})
    assert len(asked) > 50
