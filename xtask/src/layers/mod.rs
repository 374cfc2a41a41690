//! Which crate may depend on which.
//!
//! The table in [`table`] is compared with what cargo says. An edge that the table does not name is an error even if
//! everything compiles: the layers are what keeps the domain free of processes, HTTP and terminals.

mod table;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;

use anyhow::{Result, bail};
use cargo_metadata::{DependencyKind, Metadata};

use self::table::{Libraries, RUNTIME_FREE, THIRD_PARTY, UNWANTED, WORKSPACE};
use crate::workspace::{Depth, Workspace};

/// Compares the workspace with the tables and fails with every edge that they do not allow.
pub(crate) fn check(workspace: &Workspace) -> Result<String> {
    let model = Model::from_metadata(&workspace.metadata(Depth::Resolved)?);
    let found = violations(&model);
    for violation in &found {
        eprintln!("{violation}");
    }
    if !found.is_empty() {
        bail!(
            "{} edge(s) that xtask/src/layers/table.rs does not allow",
            found.len()
        );
    }
    Ok(format!(
        "layers: {} crates, {} edges, all allowed",
        model.members.len(),
        model
            .members
            .iter()
            .map(|member| member.edges.len())
            .sum::<usize>()
    ))
}

/// Tells whether the table of layers has a row for this crate.
pub(crate) fn has_row(name: &str) -> bool {
    row(name).is_some()
}

/// What the check needs to know about the workspace.
#[derive(Debug, Default)]
struct Model {
    members: Vec<Member>,
    /// Normal dependencies of every package in the graph, by name.
    linked: BTreeMap<String, BTreeSet<String>>,
}

/// One crate of the workspace and what its manifest names.
#[derive(Debug)]
struct Member {
    name: String,
    edges: Vec<Edge>,
}

/// One line of a manifest's dependency sections.
#[derive(Debug, Clone)]
struct Edge {
    to: String,
    kind: EdgeKind,
    /// Whether the target is a crate of this workspace.
    is_ours: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum EdgeKind {
    Normal,
    Dev,
    Build,
}

/// An edge that the tables do not allow.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Violation {
    NoRow {
        member: String,
    },
    Layer {
        from: String,
        to: String,
        allowed: Vec<&'static str>,
    },
    ForeignNoRow {
        from: String,
        to: String,
    },
    ForeignElsewhere {
        from: String,
        to: String,
        users: String,
    },
    DevOnly {
        from: String,
        to: String,
    },
    Unwanted {
        from: String,
        to: String,
        instead: &'static str,
    },
    Links {
        from: String,
        library: &'static str,
        path: Vec<String>,
    },
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRow { member } => write!(f, "{member} has no row in the table of layers"),
            Self::Layer { from, to, allowed } if allowed.is_empty() => write!(
                f,
                "{from} -> {to}: {from} may not depend on any crate of the workspace"
            ),
            Self::Layer { from, to, allowed } => write!(
                f,
                "{from} -> {to}: {from} may depend on {} only",
                allowed.join(", ")
            ),
            Self::ForeignNoRow { from, to } => write!(
                f,
                "{from} -> {to}: {to} has no row in the table of third-party crates"
            ),
            Self::ForeignElsewhere { from, to, users } => {
                write!(f, "{from} -> {to}: {to} is for {users} only")
            }
            Self::DevOnly { from, to } => {
                write!(f, "{from} -> {to}: {to} is for dev-dependencies only")
            }
            Self::Unwanted { from, to, instead } => {
                write!(f, "{from} -> {to}: not wanted here; use {instead}")
            }
            Self::Links {
                from,
                library,
                path,
            } => write!(
                f,
                "{from} must not link {library}, but does: {}",
                path.join(" -> ")
            ),
        }
    }
}

impl Model {
    fn from_metadata(metadata: &Metadata) -> Self {
        let packages = metadata.workspace_packages();
        let ours: BTreeSet<&str> = packages
            .iter()
            .map(|package| package.name.as_str())
            .collect();
        let members = packages
            .iter()
            .map(|package| Member {
                name: package.name.to_string(),
                edges: package
                    .dependencies
                    .iter()
                    .map(|dependency| Edge {
                        to: dependency.name.clone(),
                        kind: match dependency.kind {
                            DependencyKind::Development => EdgeKind::Dev,
                            DependencyKind::Build => EdgeKind::Build,
                            _ => EdgeKind::Normal,
                        },
                        is_ours: ours.contains(dependency.name.as_str()),
                    })
                    .collect(),
            })
            .collect();
        Self {
            members,
            linked: linked(metadata),
        }
    }
}

/// Collects the normal dependencies of the resolved graph. Versions of one crate are merged: for the question "is it
/// linked at all" they are the same.
fn linked(metadata: &Metadata) -> BTreeMap<String, BTreeSet<String>> {
    let names: BTreeMap<_, _> = metadata
        .packages
        .iter()
        .map(|package| (&package.id, package.name.to_string()))
        .collect();
    let mut linked: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let nodes = metadata.resolve.iter().flat_map(|resolve| &resolve.nodes);
    for node in nodes {
        let targets = linked.entry(names[&node.id].clone()).or_default();
        for dependency in &node.deps {
            let is_normal = dependency
                .dep_kinds
                .iter()
                .any(|kind| kind.kind == DependencyKind::Normal);
            if is_normal {
                targets.insert(names[&dependency.pkg].clone());
            }
        }
    }
    linked
}

/// Finds every edge that the tables do not allow.
///
/// Pure: the model is all it looks at.
fn violations(model: &Model) -> Vec<Violation> {
    let mut found = Vec::new();
    for member in &model.members {
        let Some(allowed) = row(&member.name) else {
            found.push(Violation::NoRow {
                member: member.name.clone(),
            });
            continue;
        };
        for edge in &member.edges {
            let violation = if edge.is_ours {
                own_edge(member, edge, allowed)
            } else {
                foreign_edge(member, edge)
            };
            found.extend(violation);
        }
    }
    for (from, library) in RUNTIME_FREE {
        if let Some(path) = path_between(&model.linked, from, library) {
            found.push(Violation::Links {
                from: (*from).to_owned(),
                library,
                path,
            });
        }
    }
    found
}

/// Returns what the crate may depend on, or nothing when the table does not know it.
fn row(name: &str) -> Option<&'static [&'static str]> {
    WORKSPACE
        .iter()
        .find(|(member, _)| *member == name)
        .map(|(_, allowed)| *allowed)
}

fn own_edge(member: &Member, edge: &Edge, allowed: &[&'static str]) -> Option<Violation> {
    let is_test_support = edge.kind == EdgeKind::Dev && edge.to == "cl-testkit";
    if is_test_support || allowed.contains(&edge.to.as_str()) || allowed.contains(&"*") {
        return None;
    }
    // A dev-dependency on oneself only switches features on for tests.
    if edge.kind == EdgeKind::Dev && edge.to == member.name {
        return None;
    }
    Some(Violation::Layer {
        from: member.name.clone(),
        to: edge.to.clone(),
        allowed: allowed.to_vec(),
    })
}

fn foreign_edge(member: &Member, edge: &Edge) -> Option<Violation> {
    let (from, to) = (member.name.clone(), edge.to.clone());
    if let Some((_, instead)) = UNWANTED.iter().find(|(name, _)| *name == edge.to) {
        return Some(Violation::Unwanted { from, to, instead });
    }
    let Some((_, libraries)) = THIRD_PARTY.iter().find(|(name, _)| *name == edge.to) else {
        return Some(Violation::ForeignNoRow { from, to });
    };
    if edge.kind == EdgeKind::Dev {
        return None;
    }
    match libraries {
        Libraries::All => None,
        Libraries::Only(users) if users.contains(&member.name.as_str()) => None,
        Libraries::Only(users) => Some(Violation::ForeignElsewhere {
            from,
            to,
            users: users.join(", "),
        }),
        Libraries::Dev => Some(Violation::DevOnly { from, to }),
    }
}

/// Finds the shortest chain of normal dependencies from one package to another.
fn path_between(
    linked: &BTreeMap<String, BTreeSet<String>>,
    from: &str,
    to: &str,
) -> Option<Vec<String>> {
    let mut came_from: BTreeMap<&str, &str> = BTreeMap::new();
    let mut queue = VecDeque::from([from]);
    while let Some(current) = queue.pop_front() {
        if current == to {
            let mut path = vec![to.to_owned()];
            let mut at = to;
            while let Some(previous) = came_from.get(at) {
                path.push((*previous).to_owned());
                at = previous;
            }
            path.reverse();
            return Some(path);
        }
        for next in linked.get(current).into_iter().flatten() {
            if next != from && !came_from.contains_key(next.as_str()) {
                came_from.insert(next, current);
                queue.push_back(next);
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edge(to: &str, kind: EdgeKind) -> Edge {
        Edge {
            to: to.to_owned(),
            kind,
            is_ours: to.starts_with("cl-"),
        }
    }

    #[track_caller]
    fn check_edge(from: &str, to: &str, kind: EdgeKind, expected: Option<&str>) {
        let model = Model {
            members: vec![Member {
                name: from.to_owned(),
                edges: vec![edge(to, kind)],
            }],
            linked: BTreeMap::new(),
        };
        let found: Vec<String> = violations(&model).iter().map(ToString::to_string).collect();
        let expected: Vec<String> = expected.into_iter().map(str::to_owned).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn edges_of_the_table_are_allowed() {
        check_edge("cl-bus", "cl-storage", EdgeKind::Normal, None);
        check_edge("cl-runner", "cl-agent", EdgeKind::Normal, None);
        check_edge("run-agent", "cl-cli", EdgeKind::Normal, None);
        check_edge("cl-storage", "sha2", EdgeKind::Normal, None);
    }

    #[test]
    fn upward_edge_is_refused() {
        check_edge(
            "cl-bus",
            "cl-runner",
            EdgeKind::Normal,
            Some("cl-bus -> cl-runner: cl-bus may depend on cl-storage only"),
        );
        check_edge(
            "cl-storage",
            "cl-bus",
            EdgeKind::Normal,
            Some("cl-storage -> cl-bus: cl-storage may not depend on any crate of the workspace"),
        );
    }

    #[test]
    fn testkit_is_for_tests_and_xtask_only() {
        check_edge("cl-runner", "cl-testkit", EdgeKind::Dev, None);
        check_edge("xtask", "cl-testkit", EdgeKind::Normal, None);
        check_edge(
            "cl-runner",
            "cl-testkit",
            EdgeKind::Normal,
            Some(
                "cl-runner -> cl-testkit: cl-runner may depend on cl-agent, cl-config, cl-bus, cl-storage only",
            ),
        );
        check_edge(
            "xtask",
            "cl-runner",
            EdgeKind::Normal,
            Some("xtask -> cl-runner: xtask may depend on cl-testkit, cl-storage only"),
        );
    }

    #[test]
    fn build_dependencies_count_like_normal_ones() {
        check_edge(
            "cl-config",
            "cl-bus",
            EdgeKind::Build,
            Some("cl-config -> cl-bus: cl-config may depend on cl-storage only"),
        );
    }

    #[test]
    fn third_party_crate_in_the_wrong_place_is_refused() {
        check_edge(
            "cl-bus",
            "serde-saphyr",
            EdgeKind::Normal,
            Some("cl-bus -> serde-saphyr: serde-saphyr is for cl-storage only"),
        );
        check_edge(
            "cl-cli",
            "proptest",
            EdgeKind::Normal,
            Some("cl-cli -> proptest: proptest is for dev-dependencies only"),
        );
        check_edge("cl-bus", "proptest", EdgeKind::Dev, None);
    }

    #[test]
    fn unknown_and_unwanted_crates_are_refused() {
        check_edge(
            "cl-bus",
            "left-pad",
            EdgeKind::Normal,
            Some("cl-bus -> left-pad: left-pad has no row in the table of third-party crates"),
        );
        check_edge(
            "cl-bus",
            "chrono",
            EdgeKind::Dev,
            Some("cl-bus -> chrono: not wanted here; use jiff"),
        );
    }

    #[test]
    fn crate_without_a_row_is_refused() {
        check_edge(
            "cl-stray",
            "serde",
            EdgeKind::Normal,
            Some("cl-stray has no row in the table of layers"),
        );
    }

    #[test]
    fn runtime_below_the_async_layers_is_found_through_others() {
        let mut model = Model::default();
        for (from, to) in [
            ("cl-config", "watcher"),
            ("watcher", "tokio"),
            ("cl-runner", "tokio"),
        ] {
            model
                .linked
                .entry(from.to_owned())
                .or_default()
                .insert(to.to_owned());
        }
        let found: Vec<String> = violations(&model).iter().map(ToString::to_string).collect();
        assert_eq!(
            found,
            ["cl-config must not link tokio, but does: cl-config -> watcher -> tokio"]
        );
    }

    #[test]
    fn rows_name_only_rows_and_never_themselves() {
        for (member, allowed) in WORKSPACE {
            for name in *allowed {
                assert!(*name == "*" || has_row(name), "{member} names {name}");
                assert_ne!(name, member);
            }
        }
    }
}
