//! Who says what: the edges to an advisory, and the disagreements between authors.

use std::collections::{BTreeMap, BTreeSet};

use starling_protocol::ContentHash;

use crate::advisory::{Conflict, Edge, EdgeState, OutvotedClaim};
use crate::error::ViewError;
use crate::memo::FoldMemo;
use crate::package::PackageId;
use crate::ports::{Bodies, RecordKey, Statement, StatementKind};
use crate::settings::Settings;

/// Collects the edges to an advisory, and the disagreements between authors about its records.
#[derive(Default)]
pub(super) struct Attribution {
    edges: Vec<Edge>,
    conflicts: Vec<Conflict>,
}

impl Attribution {
    /// Reports the effect of each statement about a record, and any disagreement between its authors.
    pub(super) fn report(
        &mut self,
        record: &RecordKey,
        chosen: Option<ContentHash>,
        state: EdgeState,
        statements: &[Statement],
    ) {
        let mut others = BTreeSet::new();
        for statement in statements {
            let content = match statement.kind {
                StatementKind::Set(content) => Some(content),
                StatementKind::Absent => None,
            };
            let is_chosen = state != EdgeState::Unresolved && content == chosen;
            if !is_chosen {
                others.insert((statement.author, content));
            }
            self.edges.push(Edge {
                source: record.source.clone(),
                id: record.id.clone(),
                author: statement.author,
                lane: statement.lane,
                content,
                claimed_at: statement.time,
                state: if is_chosen || state == EdgeState::Unresolved {
                    state
                } else {
                    EdgeState::Outvoted
                },
            });
        }
        if !others.is_empty() {
            self.conflicts.push(Conflict {
                source: record.source.clone(),
                id: record.id.clone(),
                chosen,
                others: others
                    .into_iter()
                    .map(|(author, content)| OutvotedClaim {
                        author,
                        content,
                        fields: BTreeMap::new(),
                    })
                    .collect(),
            });
        }
    }

    /// Reads what the contents that were not chosen say about a package.
    pub(super) fn read_outvoted<B: Bodies>(
        &mut self,
        bodies: &B,
        settings: &Settings,
        package: &PackageId,
        memo: &FoldMemo,
    ) -> Result<(), ViewError> {
        for conflict in &mut self.conflicts {
            let record = RecordKey::new(conflict.source.clone(), conflict.id.clone());
            for outvoted in &mut conflict.others {
                let Some(content) = outvoted.content else { continue };
                let parsed = memo.parsed_body(bodies, &record, &content, settings.normalise_name)?;
                if let Some(parsed) = parsed {
                    outvoted.fields = parsed.of_package(package)?;
                }
            }
        }
        Ok(())
    }

    /// Returns all of it by source and id, edges then by author and lane.
    pub(super) fn in_order(mut self) -> (Vec<Edge>, Vec<Conflict>) {
        self.edges
            .sort_by(|a, b| (&a.source, &a.id, a.author, a.lane).cmp(&(&b.source, &b.id, b.author, b.lane)));
        self.conflicts
            .sort_by(|a, b| (&a.source, &a.id).cmp(&(&b.source, &b.id)));
        (self.edges, self.conflicts)
    }
}
