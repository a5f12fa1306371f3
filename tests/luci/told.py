"""What is wrong with something that the agent tells, by the committed schema of what it tells."""

import json
from pathlib import Path

from jsonschema import Draft202012Validator

SCHEMA = json.loads((Path(__file__).resolve().parent / "status.schema.json").read_text())


def faults(method, told):
    """Each as `place: what`; `all` is what the pages put together of several methods."""
    validator = Draft202012Validator({**SCHEMA, "$ref": f"#/$defs/{method}"})
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(told)]
