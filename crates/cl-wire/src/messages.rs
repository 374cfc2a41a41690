//! Messages of buses, for both families.

use std::collections::BTreeMap;
use std::fmt;

use cl_storage::{MessageId, ProjectId, RunId, TaskId};
use jiff::Timestamp;
use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

/// The type of a message that says none.
pub const USUAL_TYPE: &str = "USER";

/// The most messages that `limit` can ask for.
pub const MOST_MESSAGES: usize = 5000;

/// How many messages a stream begins with that resumes nowhere.
pub const STREAM_BACKLOG: usize = 20;

/// The answer of `GET …/messages`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Messages {
    /// The messages, oldest first.
    pub messages: Vec<Item>,
    /// There are more than these that were asked for: earlier ones, or later ones where those
    /// behind a message were asked for without a limit.
    #[serde(default, skip_serializing_if = "is_false")]
    pub has_more: bool,
}

/// A message.
///
/// Project, task, run and issue are the texts found on the bus: other writers may have
/// written ids that our parsers refuse.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Item {
    /// Its id.
    #[schema(value_type = String, example = "MSG-20260223-191710-184887000-PID67946-0001")]
    pub msg_id: MessageId,
    /// When it was made, by its writer's clock.
    #[schema(value_type = String, format = DateTime, example = "2026-02-23T19:17:10.184887Z")]
    pub timestamp: Timestamp,
    /// What sort of message it is.
    #[serde(rename = "type")]
    #[schema(example = "FACT")]
    pub kind: String,
    /// The project; empty where none is written down.
    #[serde(default)]
    #[schema(example = "p")]
    pub project_id: String,
    /// The task.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schema(example = "task-20260223-204858-docs-pass")]
    pub task_id: String,
    /// The run.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schema(example = "20260223-2048580000-66788-1")]
    pub run_id: String,
    /// The issue that it is about.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub issue_id: String,
    /// The messages that it answers or depends on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parents: Vec<Parent>,
    /// Places that it points to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<Link>,
    /// Further facts, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub meta: BTreeMap<String, String>,
    /// Its text; bytes that are no UTF-8 are replaced.
    #[schema(example = "tests pass")]
    pub body: String,
    /// The text is not complete.
    #[serde(default, skip_serializing_if = "is_false")]
    pub truncated: bool,
    /// The text is not the one that was posted.
    #[serde(default, skip_serializing_if = "is_false")]
    pub edited: bool,
}

/// A message that another one refers to.
///
/// Read from an id alone and from capitalised keys as well, as older servers send them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Parent {
    /// The id of that message.
    #[schema(value_type = String, example = "MSG-20260223-191500-000000001-PID01234-0001")]
    pub msg_id: MessageId,
    /// How the two are related.
    #[serde(skip_serializing_if = "String::is_empty")]
    #[schema(example = "answers")]
    pub kind: String,
    /// Further facts about the relation.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub meta: BTreeMap<String, String>,
}

/// A place that a message points to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Link {
    /// A URL or a path.
    #[serde(alias = "URL")]
    #[schema(example = "output.md")]
    pub url: String,
    /// What a reader is shown.
    #[serde(
        default,
        alias = "Label",
        deserialize_with = "text_or_null",
        skip_serializing_if = "String::is_empty"
    )]
    pub label: String,
    /// What stands there.
    #[serde(
        default,
        alias = "Kind",
        deserialize_with = "text_or_null",
        skip_serializing_if = "String::is_empty"
    )]
    #[schema(example = "output")]
    pub kind: String,
}

/// The body of `POST /api/v1/messages`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PostTo {
    /// The project, which must be there.
    #[schema(value_type = String, example = "p")]
    pub project_id: ProjectId,
    /// The task on whose bus it goes; the project's own unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "task-20260223-204858-docs-pass")]
    pub task_id: Option<TaskId>,
    /// The run that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub run_id: Option<RunId>,
    /// What sort of message it is; `USER` unless given.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "USER")]
    pub kind: Option<String>,
    /// Its text.
    #[serde(default)]
    #[schema(example = "Leave the schema alone.")]
    pub body: String,
    /// The messages that it answers or depends on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parents: Vec<Parent>,
    /// Places that it points to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<Link>,
    /// Further facts, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub meta: BTreeMap<String, String>,
}

/// The body of `POST /api/projects/{p}/messages` and `…/tasks/{t}/messages`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Post {
    /// What sort of message it is; `USER` unless given.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "FACT")]
    pub kind: Option<String>,
    /// Its text.
    #[serde(default)]
    #[schema(example = "tests pass")]
    pub body: String,
    /// The run that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub run_id: Option<RunId>,
    /// The messages that it answers or depends on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parents: Vec<Parent>,
    /// Places that it points to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<Link>,
    /// Further facts, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub meta: BTreeMap<String, String>,
}

/// The answer to a message that was posted; it is on disk then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Posted {
    /// The id it was given.
    #[schema(value_type = String, example = "MSG-20260223-211000-000000001-PID00700-0001")]
    pub msg_id: MessageId,
    /// When it was made.
    #[schema(value_type = String, format = DateTime, example = "2026-02-23T21:10:00.000000001Z")]
    pub timestamp: Timestamp,
}

impl Parent {
    /// Refers to a message and says no more.
    pub fn of(msg_id: MessageId) -> Self {
        Self {
            msg_id,
            kind: String::new(),
            meta: BTreeMap::new(),
        }
    }
}

impl<'de> Deserialize<'de> for Parent {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(ParentVisitor)
    }
}

struct ParentVisitor;

impl<'de> Visitor<'de> for ParentVisitor {
    type Value = Parent;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the id of a message, or an object with its `msg_id`")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Parent, E> {
        text.parse().map(Parent::of).map_err(E::custom)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Parent, A::Error> {
        /// The object, in every spelling.
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Object {
            #[serde(alias = "MsgID")]
            msg_id: MessageId,
            #[serde(default, alias = "Kind")]
            kind: Option<String>,
            #[serde(default, alias = "Meta")]
            meta: Option<BTreeMap<String, String>>,
        }
        let object = Object::deserialize(de::value::MapAccessDeserializer::new(map))?;
        Ok(Parent {
            msg_id: object.msg_id,
            kind: object.kind.unwrap_or_default(),
            meta: object.meta.unwrap_or_default(),
        })
    }
}

fn text_or_null<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    Option::deserialize(from).map(Option::unwrap_or_default)
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_false(flag: &bool) -> bool {
    !*flag
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "MSG-20260223-191500-000000001-PID01234-0001";

    #[track_caller]
    fn check_parent(json: &str, kind: &str, written: &str) {
        let json = json.replace("ID!", ID);
        let parent: Parent = serde_json::from_str(&json).unwrap();
        assert_eq!((parent.msg_id.as_str(), parent.kind.as_str()), (ID, kind));
        let text = serde_json::to_string(&parent).unwrap();
        assert_eq!(text, written.replace("ID!", ID));
    }

    #[test]
    fn parents_are_read_in_every_spelling() {
        let alone = r#"{"msg_id":"ID!"}"#;
        check_parent(r#""ID!""#, "", alone);
        check_parent(alone, "", alone);
        let answers = r#"{"msg_id":"ID!","kind":"answers"}"#;
        check_parent(answers, "answers", answers);
        check_parent(r#"{"MsgID":"ID!","Kind":"","Meta":null}"#, "", alone);
        let capital = r#"{"MsgID":"ID!","Kind":"answers","Meta":{"a":"b"}}"#;
        let written = r#"{"msg_id":"ID!","kind":"answers","meta":{"a":"b"}}"#;
        check_parent(capital, "answers", written);
        assert!(serde_json::from_str::<Parent>(r#"{"kind":"answers"}"#).is_err());
        assert!(serde_json::from_str::<Parent>(r#""""#).is_err());
    }

    #[test]
    fn links_are_read_in_both_spellings() {
        let link = Link {
            url: "a".into(),
            ..Link::default()
        };
        for json in [r#"{"URL":"a","Label":"","Kind":null}"#, r#"{"url":"a"}"#] {
            assert_eq!(serde_json::from_str::<Link>(json).unwrap(), link);
        }
        assert_eq!(serde_json::to_string(&link).unwrap(), r#"{"url":"a"}"#);
    }
}
