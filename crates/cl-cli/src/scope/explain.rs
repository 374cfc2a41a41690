//! Showing a scope.

use serde_json::{Value, json};

use super::{Resolved, Scope};
use crate::console::Console;
use crate::error::CliError;

impl Scope {
    /// Prints each part and where it was taken from.
    pub fn explain(&self, console: &mut Console) -> Result<(), CliError> {
        if console.is_json() {
            return console.json(&self.to_json());
        }
        for (name, part) in self.parts() {
            match part {
                Some((value, from)) => {
                    console.line(format_args!("{name:<11} {value}  ({from})"))?;
                }
                None => console.line(format_args!("{name:<11} none"))?,
            }
        }
        if let Some(root) = &self.foreign_root {
            console.note(format_args!(
                "Note: the enclosing run belongs to the root {}, so nothing was taken from it",
                root.display()
            ));
        }
        Ok(())
    }

    fn to_json(&self) -> Value {
        let mut object = serde_json::Map::new();
        for (name, part) in self.parts() {
            let value = part.map_or(
                Value::Null,
                |(value, from)| json!({"value": value, "from": from}),
            );
            object.insert(name.to_owned(), value);
        }
        let foreign = self
            .foreign_root
            .as_ref()
            .map(|root| root.to_string_lossy());
        object.insert("foreign_root".to_owned(), json!(foreign));
        Value::Object(object)
    }

    fn parts(&self) -> [(&'static str, Option<(String, String)>); 5] {
        let root = (
            self.root().path().display().to_string(),
            self.root.from.to_string(),
        );
        [
            ("root", Some(root)),
            ("project", part(self.project.as_ref())),
            ("task", part(self.task.as_ref())),
            ("run", part(self.run.as_ref())),
            ("parent_run", part(self.parent_run.as_ref())),
        ]
    }
}

fn part<T: ToString>(resolved: Option<&Resolved<T>>) -> Option<(String, String)> {
    resolved.map(|part| (part.value.to_string(), part.from.to_string()))
}
