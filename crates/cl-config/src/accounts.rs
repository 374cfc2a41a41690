//! Which configured names of agents share an account.

use std::collections::BTreeMap;

use crate::{AgentKind, Config};

/// The configured names of agents, by the account whose usage limits hold for them.
#[derive(Debug, Clone, Default)]
pub struct AccountNames(BTreeMap<(String, String), Vec<String>>);

impl AccountNames {
    /// Takes them from `config`; built-in agents count where nothing is configured for them.
    pub fn of(config: &Config) -> Self {
        let built_in = AgentKind::BUILT_IN.map(AgentKind::as_str);
        let all = config.agents.keys().map(String::as_str).chain(built_in);
        let mut names: BTreeMap<_, Vec<String>> = BTreeMap::new();
        for name in all {
            let Some(agent) = config.agent(name) else {
                continue;
            };
            let account = agent.account.clone().unwrap_or_else(|| name.to_owned());
            let kind = agent.kind.as_str().to_owned();
            let entry = names.entry((kind, account)).or_default();
            if !entry.iter().any(|known| known == name) {
                entry.push(name.to_owned());
            }
        }
        Self(names)
    }

    /// Returns the names that use `account` of an agent of this kind.
    pub fn of_account(&self, kind: &str, account: &str) -> Vec<String> {
        let key = (kind.to_owned(), account.to_owned());
        self.0.get(&key).cloned().unwrap_or_default()
    }
}
