//! A layer of a configuration: values by the paths of options.

use figment::value::{Dict, Map, Tag, Value};
use figment::{Metadata, Profile, Provider};

/// Values with the name of their origin, for errors.
pub(super) struct Layer {
    pub(super) origin: String,
    pub(super) values: Dict,
}

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.origin.clone())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        Ok(Profile::Default.collect(self.values.clone()))
    }
}

/// Inserts a value at a path, and creates the tables on the way.
pub(super) fn insert(values: &mut Dict, path: &str, value: Value) {
    match path.split_once('.') {
        None => {
            values.insert(path.into(), value);
        }
        Some((table, rest)) => {
            let entry = values.entry(table.into()).or_insert_with(|| Value::Dict(Tag::Default, Dict::new()));
            if let Value::Dict(_, inner) = entry {
                insert(inner, rest, value);
            }
        }
    }
}

/// Removes the value at a path, and returns it.
pub(super) fn remove(values: &mut Dict, path: &str) -> Option<Value> {
    match path.split_once('.') {
        None => values.remove(path),
        Some((table, rest)) => match values.get_mut(table) {
            Some(Value::Dict(_, inner)) => remove(inner, rest),
            _ => None,
        },
    }
}
