//! The effective configuration as TOML, secrets masked: what `check-config` prints.

use super::raw::Raw;

pub(super) fn to_toml(raw: &Raw) -> String {
    toml::to_string(raw).unwrap_or_else(|e| format!("# cannot be shown: {e}\n"))
}
