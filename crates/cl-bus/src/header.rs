//! Reads the header of a record.

mod usual;

use std::collections::BTreeMap;
use std::fmt;

use cl_storage::MessageId;
use cl_storage::yaml;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde::Deserialize;
use serde::de::{self, MapAccess, Visitor, value::MapAccessDeserializer};

use crate::damage::Reason;
use crate::message::{Link, Message, Parent};
use crate::record::{ESCAPE_BACKSLASH, ESCAPE_KEY};

/// What a header says about its record.
#[derive(Debug)]
pub(crate) struct Header {
    /// The message, its body still empty.
    pub(crate) message: Message,
    /// How many bytes the stored body has; writers of old did not say.
    pub(crate) body_bytes: Option<u64>,
    /// Whether the stored body is escaped.
    pub(crate) escaped: bool,
}

/// Why a header makes no message.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct HeaderProblem {
    pub(crate) reason: Reason,
    pub(crate) detail: String,
    pub(crate) id: Option<MessageId>,
}

/// Reads a header, the lines between its two `---` lines.
pub(crate) fn parse(bytes: &[u8]) -> Result<Header, HeaderProblem> {
    let bad = |detail: String| HeaderProblem {
        reason: Reason::BadHeader,
        detail,
        id: None,
    };
    let text = std::str::from_utf8(bytes).map_err(|e| bad(e.to_string()))?;
    if let Some(header) = usual::parse(text) {
        return Ok(header);
    }
    parse_yaml(text)
}

/// Reads a header of any form.
fn parse_yaml(text: &str) -> Result<Header, HeaderProblem> {
    let bad = |detail: String| HeaderProblem {
        reason: Reason::BadHeader,
        detail,
        id: None,
    };
    if text.contains('\0') {
        return Err(bad("it holds NUL bytes".into()));
    }
    let fields: Fields = yaml::parse(text).map_err(|e| bad(e.to_string()))?;
    let missing = |name: &str, id: Option<MessageId>| HeaderProblem {
        reason: Reason::MissingField,
        detail: format!("no {name}"),
        id,
    };
    let id = match fields.msg_id.as_deref() {
        None | Some("") => return Err(missing("msg_id", None)),
        Some(text) => MessageId::parse(text).map_err(|e| bad(e.to_string()))?,
    };
    let kind = match fields.kind {
        Some(kind) if !kind.trim().is_empty() => kind.trim().to_owned(),
        _ => return Err(missing("type", Some(id))),
    };
    let mut meta = fields.meta.unwrap_or_default();
    let escaped = meta.get(ESCAPE_KEY).and_then(Option::as_deref) == Some(ESCAPE_BACKSLASH);
    if escaped {
        meta.remove(ESCAPE_KEY);
    }
    let message = Message {
        timestamp: timestamp(fields.ts.as_deref(), &id),
        id,
        kind,
        project_id: first_of(fields.project_id, fields.project),
        task_id: first_of(fields.task_id, fields.task),
        run_id: first_of(fields.run_id, fields.run),
        issue_id: fields.issue_id.unwrap_or_default(),
        parents: parents(fields.parents.unwrap_or_default()),
        links: fields
            .links
            .unwrap_or_default()
            .into_iter()
            .map(LinkFields::into_link)
            .collect(),
        meta: texts(meta),
        body: String::new(),
        truncated: false,
        edited: false,
        lossy: false,
        raw_body: None,
    };
    Ok(Header {
        message,
        body_bytes: fields.body_bytes.and_then(|text| text.parse().ok()),
        escaped,
    })
}

/// Reads the time of a message; one that cannot be read is taken from the id.
///
/// The time only informs (order is the order in the file), so it is no reason to
/// hide a message; without any time it is the epoch, which nobody takes for true.
fn timestamp(text: Option<&str>, id: &MessageId) -> Timestamp {
    text.and_then(|text| text.trim().parse().ok())
        .or_else(|| {
            let digits = id.as_str().strip_prefix("MSG-")?.get(..15)?;
            let time = DateTime::strptime("%Y%m%d-%H%M%S", digits).ok()?;
            Some(time.to_zoned(TimeZone::UTC).ok()?.timestamp())
        })
        .unwrap_or(Timestamp::UNIX_EPOCH)
}

fn first_of(name: Option<String>, older_name: Option<String>) -> String {
    name.filter(|text| !text.is_empty())
        .or(older_name)
        .unwrap_or_default()
}

fn texts(map: BTreeMap<String, Option<String>>) -> BTreeMap<String, String> {
    map.into_iter()
        .map(|(key, value)| (key, value.unwrap_or_default()))
        .collect()
}

/// Keeps what names a message; the empty entries of old files name none.
fn parents(found: Vec<ParentFields>) -> Vec<Parent> {
    found
        .into_iter()
        .filter_map(|parent| {
            Some(Parent {
                msg_id: MessageId::parse(parent.msg_id.trim()).ok()?,
                kind: parent.kind,
                meta: parent.meta,
            })
        })
        .collect()
}

/// The keys of a header; unknown ones are for newer readers.
#[derive(Debug, Deserialize)]
struct Fields {
    msg_id: Option<String>,
    ts: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    project_id: Option<String>,
    project: Option<String>,
    task_id: Option<String>,
    task: Option<String>,
    run_id: Option<String>,
    run: Option<String>,
    issue_id: Option<String>,
    parents: Option<Vec<ParentFields>>,
    links: Option<Vec<LinkFields>>,
    meta: Option<BTreeMap<String, Option<String>>>,
    body_bytes: Option<String>,
}

#[derive(Debug, Deserialize)]
struct LinkFields {
    url: Option<String>,
    label: Option<String>,
    kind: Option<String>,
}

impl LinkFields {
    fn into_link(self) -> Link {
        Link {
            url: self.url.unwrap_or_default(),
            label: self.label.unwrap_or_default(),
            kind: self.kind.unwrap_or_default(),
        }
    }
}

/// A parent, written as an id or as a mapping.
#[derive(Debug, Default)]
struct ParentFields {
    msg_id: String,
    kind: String,
    meta: BTreeMap<String, String>,
}

impl<'de> Deserialize<'de> for ParentFields {
    fn deserialize<D: de::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ParentVisitor)
    }
}

struct ParentVisitor;

impl<'de> Visitor<'de> for ParentVisitor {
    type Value = ParentFields;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a message id or a mapping with msg_id")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<ParentFields, E> {
        Ok(ParentFields {
            msg_id: text.to_owned(),
            ..ParentFields::default()
        })
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<ParentFields, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<ParentFields, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<ParentFields, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_bool<E: de::Error>(self, word: bool) -> Result<ParentFields, E> {
        self.visit_str(if word { "true" } else { "false" })
    }

    fn visit_unit<E: de::Error>(self) -> Result<ParentFields, E> {
        Ok(ParentFields::default())
    }

    fn visit_none<E: de::Error>(self) -> Result<ParentFields, E> {
        Ok(ParentFields::default())
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<ParentFields, A::Error> {
        #[derive(Deserialize)]
        struct AsMapping {
            msg_id: Option<String>,
            kind: Option<String>,
            meta: Option<BTreeMap<String, Option<String>>>,
        }
        let found = AsMapping::deserialize(MapAccessDeserializer::new(map))?;
        Ok(ParentFields {
            msg_id: found.msg_id.unwrap_or_default(),
            kind: found.kind.unwrap_or_default(),
            meta: texts(found.meta.unwrap_or_default()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINIMAL: &str = "msg_id: A\nts: 2026-02-01T10:00:00Z\ntype: FACT\n";

    fn read(text: &str) -> Header {
        parse(text.as_bytes()).unwrap()
    }

    #[track_caller]
    fn check_problem(text: &[u8], reason: Reason, detail: &str) {
        let problem = parse(text).unwrap_err();
        assert_eq!(problem.reason, reason, "{problem:?}");
        assert!(problem.detail.contains(detail), "{problem:?}");
    }

    #[test]
    fn what_makes_no_message() {
        check_problem(
            b"ts: 2026-02-01T10:00:00Z\ntype: F\n",
            Reason::MissingField,
            "no msg_id",
        );
        check_problem(
            b"msg_id: \"\"\ntype: F\n",
            Reason::MissingField,
            "no msg_id",
        );
        check_problem(b"msg_id: A\n", Reason::MissingField, "no type");
        check_problem(b"msg_id: A\ntype: ' '\n", Reason::MissingField, "no type");
        check_problem(b"msg_id: [x\n", Reason::BadHeader, "line ");
        check_problem(b"just text\n", Reason::BadHeader, "");
        check_problem(b"msg_id: A B\ntype: F\n", Reason::BadHeader, "white space");
        check_problem(b"msg_id: A\ntype: F\n\0\0", Reason::BadHeader, "NUL");
        check_problem(b"msg_id: \xff\n", Reason::BadHeader, "utf-8");
    }

    #[test]
    fn older_names_and_bare_scalars() {
        let header = read(
            "msg_id: 17\nts: 2026-02-01T10:00:00Z\ntype: FACT\nproject: my-project\ntask: 12\n\
             run: ~\nunknown: [1, {a: b}]\nmeta:\n  n: 1\n  yes: no\n  none: ~\n",
        );
        let message = header.message;
        assert_eq!(message.id.as_str(), "17");
        assert_eq!(
            (message.project_id.as_str(), message.task_id.as_str()),
            ("my-project", "12")
        );
        assert_eq!(message.run_id, "");
        let meta: Vec<_> = message
            .meta
            .iter()
            .map(|(k, v)| (k.as_str(), v.as_str()))
            .collect();
        assert_eq!(meta, [("n", "1"), ("none", ""), ("yes", "no")]);
        assert_eq!(header.body_bytes, None);
    }

    #[test]
    fn parents_of_both_shapes() {
        let ids = |text: &str| -> Vec<(String, String)> {
            read(&format!("{MINIMAL}{text}"))
                .message
                .parents
                .into_iter()
                .map(|parent| (parent.msg_id.to_string(), parent.kind))
                .collect()
        };
        let pair = |id: &str, kind: &str| (id.to_owned(), kind.to_owned());
        assert_eq!(
            ids("parents: [M1, M2, '', ~, 7]\n"),
            [pair("M1", ""), pair("M2", ""), pair("7", "")]
        );
        assert_eq!(
            ids(
                "parents:\n- msg_id: M1\n  kind: answers\n  meta: {reason: direct, n: 1}\n- M2\n- {kind: x}\n"
            ),
            [pair("M1", "answers"), pair("M2", "")]
        );
        assert_eq!(ids("parents:\n"), []);
    }

    #[test]
    fn a_time_that_cannot_be_read_comes_from_the_id() {
        let time = |text: &str| read(text).message.timestamp.to_string();
        assert_eq!(
            time("msg_id: A\ntype: F\nts: 2026-02-01T10:00:00.5+01:00\n"),
            "2026-02-01T09:00:00.5Z"
        );
        assert_eq!(
            time("msg_id: A\ntype: F\nts: \"2026-02-01T10:00:00Z\"\n"),
            "2026-02-01T10:00:00Z"
        );
        assert_eq!(
            time("msg_id: MSG-20260223-191710-1-PID1-1\ntype: F\nts: soon\n"),
            "2026-02-23T19:17:10Z"
        );
        assert_eq!(time("msg_id: A\ntype: F\n"), "1970-01-01T00:00:00Z");
    }

    #[test]
    fn the_escape_is_the_bus_s_own_business() {
        let header = read(&format!(
            "{MINIMAL}meta:\n    body_escape: backslash\n    a: b\nbody_bytes: 12\n"
        ));
        assert!(header.escaped);
        assert_eq!(header.body_bytes, Some(12));
        assert_eq!(header.message.meta.len(), 1);
        let other = read(&format!(
            "{MINIMAL}meta:\n    body_escape: rot13\nbody_bytes: many\n"
        ));
        assert!(!other.escaped);
        assert_eq!(other.body_bytes, None);
        assert_eq!(other.message.meta["body_escape"], "rot13");
    }
}
