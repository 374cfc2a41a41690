//! Many tasks, shown together.

use std::collections::BTreeMap;

use cl_storage::status::TaskStatus;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::task::TaskRow;

/// Many tasks, shown together; also their one JSON form.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TaskListing {
    /// The tasks, in the order of their project and id.
    pub tasks: Vec<TaskRow>,
    /// Every task is finished or given up.
    pub all_finished: bool,
    /// How many tasks there are of each status.
    #[schema(value_type = BTreeMap<String, usize>)]
    pub counts: BTreeMap<TaskStatus, usize>,
    /// Everything that could not be read.
    pub problems: Vec<String>,
}
