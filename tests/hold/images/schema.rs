//! Lexicon schemas as they are published, and whether a value is what one says: stricter than the specification, for a
//! property that the schema does not know is wrong here. <https://atproto.com/specs/lexicon>

use std::collections::BTreeSet;
use std::path::Path;

use atproto::syntax::{AtUri, Datetime, Did};
use serde_json::Value;

/// One document of a lexicon.
pub(super) struct Lexicon(Value);

impl Lexicon {
    pub(super) fn read(directory: &Path, nsid: &str) -> Self {
        let path = directory.join(format!("{}.json", nsid.replace('.', "_")));
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Self(serde_json::from_str(&text).unwrap())
    }

    fn main(&self) -> &Value {
        &self.0["defs"]["main"]
    }

    pub(super) fn output(&self) -> &Value {
        &self.main()["output"]["schema"]
    }

    pub(super) fn record(&self) -> &Value {
        &self.main()["record"]
    }

    /// The properties that an input must have.
    pub(super) fn required_input(&self) -> Vec<&str> {
        let required = self.main()["input"]["schema"]["required"].as_array();
        required.into_iter().flatten().map(|name| name.as_str().unwrap()).collect()
    }

    /// The names of its errors.
    pub(super) fn errors(&self) -> BTreeSet<&str> {
        self.main()["errors"].as_array().into_iter().flatten().map(|error| error["name"].as_str().unwrap()).collect()
    }

    /// Fails unless `value` is what `schema` says.
    #[track_caller]
    pub(super) fn assert_valid(&self, value: &Value, schema: &Value) {
        let mut problems = Vec::new();
        self.check(value, schema, "", &mut problems);
        assert!(problems.is_empty(), "{problems:#?}\n{value:#}");
    }

    fn check(&self, value: &Value, schema: &Value, at: &str, problems: &mut Vec<String>) {
        let mut wrong = |what: &str| problems.push(format!("{at}: {what}"));
        match schema["type"].as_str().unwrap() {
            "ref" => {
                let name = schema["ref"].as_str().unwrap().strip_prefix('#').expect("a reference within the document");
                self.check(value, &self.0["defs"][name], at, problems);
            }
            "object" => self.check_object(value, schema, at, problems),
            "array" => match value.as_array() {
                None => wrong("no array"),
                Some(items) => {
                    for (number, item) in items.iter().enumerate() {
                        self.check(item, &schema["items"], &format!("{at}[{number}]"), problems);
                    }
                }
            },
            "boolean" if value.is_boolean() => {}
            "integer" => match value.as_i64() {
                None => wrong("no integer"),
                Some(number) if schema["minimum"].as_i64().is_some_and(|minimum| number < minimum) => {
                    wrong("too small")
                }
                Some(_) => {}
            },
            "string" => match value.as_str() {
                None => wrong("no string"),
                Some(text) => check_string(text, schema, &mut wrong),
            },
            "unknown" if value.is_object() => {}
            other => wrong(&format!("no {other}")),
        }
    }

    fn check_object(&self, value: &Value, schema: &Value, at: &str, problems: &mut Vec<String>) {
        let Some(fields) = value.as_object() else { return problems.push(format!("{at}: no object")) };
        for name in schema["required"].as_array().into_iter().flatten() {
            if !fields.contains_key(name.as_str().unwrap()) {
                problems.push(format!("{at}: {name} is missing"));
            }
        }
        for (name, field) in fields.iter().filter(|(name, _)| *name != "$type") {
            match schema["properties"].get(name) {
                None => problems.push(format!("{at}: nobody knows {name}")),
                Some(schema) => self.check(field, schema, &format!("{at}.{name}"), problems),
            }
        }
    }
}

fn check_string(text: &str, schema: &Value, wrong: &mut impl FnMut(&str)) {
    if schema["maxLength"].as_u64().is_some_and(|max| text.len() as u64 > max) {
        wrong("too long");
    }
    if schema.get("const").is_some_and(|only| only != text) {
        wrong("not the only value");
    }
    let is_format = match schema["format"].as_str() {
        None => true,
        Some("did") => Did::parse(text).is_ok(),
        Some("datetime") => Datetime::parse(text).is_ok(),
        Some("at-uri") => AtUri::parse(text).is_ok(),
        Some(other) => panic!("the format {other} is not known here"),
    };
    if !is_format {
        wrong("not of its format");
    }
}

#[test]
fn the_check_finds_what_is_wrong() {
    let schema = serde_json::json!({
        "type": "object", "required": ["did"],
        "properties": { "did": { "type": "string", "format": "did" }, "count": { "type": "integer", "minimum": 0 } },
    });
    let lexicon = Lexicon(Value::Null);
    for (value, found) in [
        (r#"{"did":"did:plc:a","count":1}"#, 0),
        (r#"{"$type":"x","did":"did:plc:a"}"#, 0),
        (r#"{"count":1}"#, 1),
        (r#"{"did":"alice","count":-1,"more":0}"#, 3),
        ("[]", 1),
    ] {
        let mut problems = Vec::new();
        lexicon.check(&serde_json::from_str(value).unwrap(), &schema, "", &mut problems);
        assert_eq!(problems.len(), found, "{value}: {problems:?}");
    }
}
