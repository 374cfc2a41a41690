use super::*;
use crate::failure::{FailureKind, Usage};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// Everything that records are made of.
#[derive(Debug, Default, PartialEq, serde::Deserialize)]
#[serde(default)]
struct Sample {
    text: Option<String>,
    other: Option<String>,
    count: Option<u32>,
    signed: Option<i32>,
    large: u64,
    flag: Option<bool>,
    kind: Option<FailureKind>,
    list: Vec<String>,
    items: Vec<Item>,
    usage: Option<Usage>,
    map: BTreeMap<String, String>,
}

#[derive(Debug, PartialEq, serde::Deserialize)]
struct Item {
    id: String,
    #[serde(default)]
    list: Vec<String>,
}

/// Whatever the strict reader accepts, the full parser reads as the same value.
#[track_caller]
fn check<T: DeserializeOwned + fmt::Debug + PartialEq>(text: &str) -> bool {
    let Some(strict) = parse::<T>(text) else {
        return false;
    };
    let full = crate::yaml::parse::<T>(text);
    assert_eq!(Ok(strict), full, "{text}");
    true
}

const PLAIN: &str = "\
version: 1
text: /srv/a b/c.md < d
other: 'it''s: quoted'
count: 7
signed: -1
large: 18446744073709551615
flag: true
kind: agent_crash
list:
    - a
    - '--script'
    - \"\\u00e4\\n\"
items:
    - id: x
      list:
          - why
    - id: z
usage:
    input_tokens: 1
    output_tokens: 2
    cache_read_tokens: 3
    cache_write_tokens: 0
    cost_usd: 0.25
    turns: 3
map: {}
future:
    deep:
        - 1
        - a: null
          b: []
        - -3
";

#[test]
fn the_shape_in_which_we_write_is_read_without_the_full_parser() {
    assert!(check::<Sample>(PLAIN));
    assert_eq!(parse::<Sample>(PLAIN).unwrap().items.len(), 2);
}

#[test]
fn at_any_doubt_the_full_parser_decides() {
    for text in [
        "text: a",
        "text: a\n\n",
        "text: a\ntext: b\n",
        "odd: a\nodd: b\n",
        "text: 1\n",
        "text: null\n",
        "text: ~\n",
        "text:\n",
        "text: yes\n",
        "text: a: b\n",
        "text: a #b\n",
        "text: a\n  b\n",
        "text: a\n  b: c\n",
        "text: |\n    a\n",
        "text: 'a\n",
        "text: 'a'b'\n",
        "text: \"a\"b\"\n",
        "text: \"\\e\"\n",
        "text: &a b\n",
        "text: a\r\n",
        "text:  a\n",
        "text: a\t\n",
        "count: 0x1f\n",
        "count: 007\n",
        "count: -1\n",
        "count: '7'\n",
        "flag: yes\n",
        "---\ntext: a\n",
        "# note\ntext: a\n",
        "list: [a]\n",
        "list:\n    - a\n  - b\n",
        "list:\n    - - a\n",
        "list: a\n",
        "items:\n    - id: x\n     list: []\n",
        "map:\n",
        "\u{feff}text: a\n",
    ] {
        assert_eq!(parse::<Sample>(text), None, "{text:?}");
    }
}

/// Pieces whose combinations are nearly the plain shape.
fn line() -> impl Strategy<Value = String> {
    let key = prop_oneof![
        Just("text"),
        Just("other"),
        Just("count"),
        Just("signed"),
        Just("flag"),
        Just("kind"),
        Just("list"),
        Just("items"),
        Just("map"),
        Just("id"),
        Just("usage"),
        Just("turns"),
        Just("cost_usd"),
        Just("x"),
        Just("- id"),
        Just("- "),
        Just("y"),
    ];
    let value = prop_oneof![
        Just(String::new()),
        Just(" {}".to_owned()),
        Just(" []".to_owned()),
        " [-+0-9.:_xoeTZ]{1,8}",
        " [a-z'\"\\\\:#,&*! -]{0,8}",
        " \"[a-z'\\\\nx0-9: ]{0,8}\"",
        " '[a-z'\": #]{0,8}'",
        any::<String>().prop_map(|text| format!(" {text}")),
        any::<String>().prop_map(|text| {
            let mut scalar = " ".to_owned();
            crate::yaml::write_scalar(&mut scalar, &text);
            scalar
        }),
    ];
    let indent = prop_oneof![4 => Just(0_usize), 2 => Just(4), 1 => Just(2), 1 => Just(6)];
    (indent, key, value).prop_map(|(indent, key, value)| {
        let colon = if key == "- " { "" } else { ":" };
        format!("{}{key}{colon}{value}\n", " ".repeat(indent))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn both_readers_agree(lines in prop::collection::vec(line(), 1..7)) {
        let text = lines.concat();
        check::<Sample>(&text);
        check::<BTreeMap<String, String>>(&text);
        check::<BTreeMap<String, u32>>(&text);
        check::<BTreeMap<String, f64>>(&text);
        check::<BTreeMap<String, Vec<String>>>(&text);
    }

    #[test]
    fn a_damaged_record_reads_the_same(at in 0..PLAIN.len(), byte in any::<u8>(), cut: bool) {
        let mut bytes = PLAIN.as_bytes().to_vec();
        if cut { bytes.remove(at); } else { bytes[at] = byte; }
        if let Ok(text) = String::from_utf8(bytes) {
            check::<Sample>(&text);
        }
    }

    #[test]
    fn any_text_that_we_write_is_read_strictly(value in any::<String>()) {
        let mut mapping = crate::yaml::Mapping::new();
        mapping.text("text", &value).list("list", [value.as_str()]);
        let text = mapping.finish();
        prop_assert!(check::<Sample>(&text), "{}", text);
    }
}
