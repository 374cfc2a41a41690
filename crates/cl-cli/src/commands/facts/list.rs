//! `facts list`.

use std::collections::HashSet;

use cl_bus::facts::{
    Collected, Fact, FactHash, Query, SheetPlace, in_project, in_sheet, in_task, in_tasks,
};
use cl_storage::ProjectDir;
use serde_json::json;

use crate::args::{FactScope, FactsListArgs};
use crate::context::Context;
use crate::error::{CliError, Exit};
use crate::scope::Scope;
use crate::view::{Grid, local_text};

/// Lists facts, the oldest first.
pub fn list(ctx: &mut Context, args: &FactsListArgs) -> Result<Exit, CliError> {
    let scope = ctx.scope()?;
    let query = Query {
        since: args.since.map(|since| since.before(ctx.now())),
        ..Query::default()
    };
    let found = Found::look(&scope, args.scope, &query)?;
    super::tell(ctx, &found.collected.warnings);
    let mut facts: Vec<&Fact> = found.collected.facts.iter().collect();
    // The sort is stable: facts of one time stay in the order in which they were found.
    facts.sort_by_key(|fact| fact.time);
    if args.limit > 0 && facts.len() > args.limit {
        facts.drain(..facts.len() - args.limit);
    }
    if ctx.console.is_json() {
        let rows: Vec<_> = facts.iter().map(|fact| found.row(fact)).collect();
        ctx.console.json(&json!({ "facts": rows }))?;
        return Ok(Exit::Success);
    }
    if facts.is_empty() {
        ctx.console.note("there are no such facts");
        return Ok(Exit::Success);
    }
    let mut table = Grid::new(&["TIME", "HASH", "PROMOTED", "SOURCE", "TITLE"]);
    for fact in facts {
        let time = fact.time.map(local_text).unwrap_or_default();
        let cells = vec![
            time,
            fact.hash.prefix().to_owned(),
            found.promoted_to(fact).join(","),
            super::place(fact).to_owned(),
            fact.title.clone(),
        ];
        table.row(cells, "");
    }
    table.print(&mut ctx.console)?;
    Ok(Exit::Success)
}

/// The facts that were found, and which of all facts are promoted.
#[derive(Debug, Default)]
struct Found {
    collected: Collected,
    /// Project and identity of what stands in the sheet of a project.
    in_projects: HashSet<(String, FactHash)>,
    in_all: HashSet<FactHash>,
}

impl Found {
    fn look(scope: &Scope, wanted: FactScope, query: &Query) -> Result<Self, CliError> {
        let mut found = Self::default();
        if !scope.has_root()? {
            return Ok(found);
        }
        let projects = if scope.project.is_some() || scope.task.is_some() {
            vec![scope.existing_project()?]
        } else {
            scope.root().projects()?
        };
        for project in &projects {
            found.look_at(scope, project, wanted, query)?;
        }
        let place = SheetPlace::of_root(scope.root());
        let everything = in_sheet(&place, &Query::default())?;
        found.in_all = everything.into_iter().map(|fact| fact.hash).collect();
        if matches!(wanted, FactScope::Global | FactScope::All) && scope.task.is_none() {
            let facts = in_sheet(&place, query)?;
            found.add_sheet(facts);
        }
        Ok(found)
    }

    fn look_at(
        &mut self,
        scope: &Scope,
        project: &ProjectDir,
        wanted: FactScope,
        query: &Query,
    ) -> Result<(), CliError> {
        let place = SheetPlace::of_project(project);
        let name = project.id().to_string();
        let everything = in_sheet(&place, &Query::default())?;
        let hashes = everything.into_iter().map(|fact| (name.clone(), fact.hash));
        self.in_projects.extend(hashes);
        if matches!(wanted, FactScope::Task | FactScope::All) {
            self.collected.add(match &scope.task {
                Some(_) => in_task(&scope.existing_task()?, query),
                None => in_tasks(project, query)?,
            });
        }
        if matches!(wanted, FactScope::Project | FactScope::All) && scope.task.is_none() {
            self.collected.add(in_project(project, query));
            let facts = in_sheet(&place, query)?;
            self.add_sheet(facts);
        }
        Ok(())
    }

    /// Adds the facts of a sheet that were not found where they come from.
    fn add_sheet(&mut self, facts: Vec<Fact>) {
        let found = self.collected.facts.iter();
        let known: HashSet<(String, FactHash)> = found
            .map(|fact| (fact.project.clone(), fact.hash.clone()))
            .collect();
        let is_new = |fact: &Fact| !known.contains(&(fact.project.clone(), fact.hash.clone()));
        self.collected
            .facts
            .extend(facts.into_iter().filter(is_new));
    }

    /// Tells to which sheets a fact was promoted.
    fn promoted_to(&self, fact: &Fact) -> Vec<&'static str> {
        let in_project = (self.in_projects).contains(&(fact.project.clone(), fact.hash.clone()));
        let mut sheets = Vec::new();
        if in_project {
            sheets.push("project");
        }
        if self.in_all.contains(&fact.hash) {
            sheets.push("global");
        }
        sheets
    }

    fn row(&self, fact: &Fact) -> serde_json::Value {
        let mut row = super::describe(fact);
        row["promoted"] = json!(self.promoted_to(fact));
        row["body"] = json!(fact.text);
        row
    }
}
