//! Messages as they are sent.

use cl_bus::{Message, Parent};
use cl_wire::messages;

/// Makes of a message on a bus what is sent of it.
pub fn message_item(message: Message) -> messages::Item {
    let parent = |parent: Parent| messages::Parent {
        msg_id: parent.msg_id,
        kind: parent.kind,
        meta: parent.meta,
    };
    let link = |link: cl_bus::Link| messages::Link {
        url: link.url,
        label: link.label,
        kind: link.kind,
    };
    messages::Item {
        msg_id: message.id,
        timestamp: message.timestamp,
        kind: message.kind,
        project_id: message.project_id,
        task_id: message.task_id,
        run_id: message.run_id,
        issue_id: message.issue_id,
        parents: message.parents.into_iter().map(parent).collect(),
        links: message.links.into_iter().map(link).collect(),
        meta: message.meta,
        body: message.body,
        truncated: message.truncated,
        edited: message.edited,
    }
}

#[cfg(test)]
mod tests {
    use cl_bus::{Bus, Draft, Link, Parent};
    use cl_storage::ProjectId;

    use super::*;

    #[test]
    fn nothing_of_a_message_is_lost() {
        let folder = tempfile::tempdir().unwrap();
        let bus = Bus::new(folder.path().join("TASK-MESSAGE-BUS.md"));
        let first = Draft::new("QUESTION", ProjectId::parse("p").unwrap(), "why?");
        let first = bus.append(&first).unwrap();
        let draft = Draft::new("ANSWER", ProjectId::parse("p").unwrap(), "because")
            .task("task-20260223-204858-docs-pass".parse().unwrap())
            .run("20260223-2048580000-66788-1".parse().unwrap())
            .parent(Parent::new(first.id.clone(), "answers"))
            .link(Link {
                url: "output.md".to_owned(),
                label: "the answer".to_owned(),
                kind: "output".to_owned(),
            })
            .meta("a", "b");
        bus.append(&draft).unwrap();
        let message = bus.tail(1).unwrap().into_messages().remove(0);
        let item = message_item(message.clone());
        // Both have one JSON form, but for what is left out where it is empty.
        let mut ours = serde_json::to_value(&item).unwrap();
        ours["issue_id"] = serde_json::json!("");
        ours["parents"][0]["meta"] = serde_json::json!({});
        for flag in ["truncated", "edited", "lossy"] {
            ours[flag] = serde_json::json!(false);
        }
        assert_eq!(ours, serde_json::to_value(&message).unwrap());
    }
}
