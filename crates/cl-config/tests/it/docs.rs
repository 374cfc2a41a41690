//! The reference in the documentation, and the JSON schema.

use cl_config::schema::{Kind, keys, reference};

use crate::support::{check_file, manifest_dir};

const BEGIN: &str = "<!-- The rest is generated from the table of keys. -->\n";

fn docs_file() -> std::path::PathBuf {
    manifest_dir().join("../../docs/user/config.md")
}

#[test]
fn the_reference_is_the_table() {
    let path = docs_file();
    let text = std::fs::read_to_string(&path).unwrap();
    let (by_hand, _) = text.split_once(BEGIN).unwrap();
    let reference = reference();
    check_file(
        &path,
        &format!("{by_hand}{BEGIN}\n{}\n", reference.trim_end()),
    );
}

#[test]
fn every_key_is_mentioned() {
    let text = std::fs::read_to_string(docs_file()).unwrap();
    for (dotted, field) in keys() {
        let heading = format!("### `{dotted}");
        let row = format!("| `{}` |", field.key);
        assert!(text.contains(&heading) || text.contains(&row), "{dotted}");
    }
}

#[test]
fn the_examples_of_the_documentation_load() {
    let text = std::fs::read_to_string(docs_file()).unwrap();
    let (by_hand, _) = text.split_once(BEGIN).unwrap();
    let examples: Vec<_> = by_hand
        .split("```yaml\n")
        .skip(1)
        .map(|rest| rest.split_once("```").unwrap().0)
        .collect();
    assert!(examples.len() >= 3);
    for example in examples {
        crate::support::loaded(example);
    }
}

#[test]
fn the_schema_has_every_key_and_no_other() {
    let schema = cl_config::schema();
    for (dotted, field) in keys() {
        let mut node = &schema;
        for part in dotted.split('.') {
            node = match part {
                "<name>" => &node["additionalProperties"],
                "gates[]" => &node["properties"]["gates"]["items"]["anyOf"][1],
                part => &node["properties"][part],
            };
        }
        assert_eq!(node["description"], field.doc, "{dotted}");
    }
    let count = schema.to_string().matches("\"description\":").count();
    assert_eq!(count, keys().len());
}

#[test]
fn every_mapping_of_the_schema_is_closed() {
    let text = cl_config::schema().to_string();
    let mappings = keys()
        .iter()
        .filter(|(_, field)| {
            matches!(
                field.kind,
                Kind::Section(_) | Kind::Gates(_) | Kind::Entries(_)
            )
        })
        .count();
    let closed = text.matches("\"additionalProperties\":false").count();
    assert_eq!(closed, mappings + 1, "the file itself is one more");
}
