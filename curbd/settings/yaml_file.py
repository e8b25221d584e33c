"""A config file in YAML, in which a key that stands twice is a mistake."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from curbd.errors import UserError


class _UniqueKeys(yaml.SafeLoader):
    """YAML in which a key that stands twice in a section is a mistake: the first one would be lost without a word."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Construct a section, and raise an error for a key that stands twice."""
        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode) and key.value != "<<"]
        for key, _ in node.value:
            if keys.count(key.value) > 1 and isinstance(key, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(
                    None, None, f"found the key {key.value!r} twice in the same section", key.start_mark
                )
        return super().construct_mapping(node, deep)


def read_yaml(path: Path) -> Any:
    """Read a config file as plain data.

    Parameters
    ----------
    path : path of the config.

    Returns
    -------
    The content of the file.

    Raises
    ------
    UserError : there is no such file, the file cannot be read or is not YAML, or a section has a key twice.
    """
    try:
        return yaml.load(path.read_text(encoding="utf-8"), _UniqueKeys)
    except FileNotFoundError:
        raise UserError.at(str(path), found="no such file", expected="a config in YAML") from None
    except OSError as error:
        raise UserError.at(
            str(path), found=f"a file that cannot be read ({error})", expected="a config in YAML"
        ) from None
    except UnicodeDecodeError:
        found = "text in another encoding than UTF-8"
        raise UserError.at(
            str(path), found=found, expected="a config in YAML", todo="save the config as UTF-8"
        ) from None
    except yaml.YAMLError as error:
        raise UserError.at(
            str(path),
            found=f"a file that is not valid YAML ({error})",
            expected="a config in YAML",
            todo="indent with spaces, not with tabs" if r"'\t'" in str(error) else "",
        ) from None
