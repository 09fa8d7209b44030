//! Times as pages show them.

use atproto::syntax::Datetime;

/// Returns a time for people, to the second.
pub(super) fn time(micros: u64) -> String {
    let text = Datetime::from_micros(micros).to_string();
    text.get(..19).map_or_else(String::new, |text| format!("{} UTC", text.replace('T', " ")))
}
