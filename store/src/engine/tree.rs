//! The logical trees in one table, the only place to edit when a tree is added.
//!
//! The typed layers above define the meaning of a tree's rows; an engine sees a number.

/// Declares [`Tree`] and everything derived from its table, so that a new tree is one new line.
macro_rules! trees {
    ($( $(#[$doc:meta])* $name:ident = $number:literal, $text:literal; )+) => {
        /// A named, ordered space of keys inside one store.
        ///
        /// Numbers are on disk and frozen: never change or reuse one. `0` and `0xF0..=0xFF` belong to the layer
        /// that splits large values and are not trees.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum Tree {
            $( $(#[$doc])* $name = $number, )+
        }

        impl Tree {
            /// Every tree, by rising number.
            pub const ALL: &'static [Tree] = &[ $( Tree::$name, )+ ];

            /// Returns the tree's name in messages and reports.
            pub const fn name(self) -> &'static str {
                match self { $( Tree::$name => $text, )+ }
            }

            /// Returns the tree of a frozen number, or `None` if this build has no such tree.
            pub const fn from_number(number: u8) -> Option<Tree> {
                match number { $( $number => Some(Tree::$name), )+ _ => None }
            }
        }
    };
}

trees! {
    /// Schema version, site identity, dictionaries, published positions: few and small rows.
    Meta = 1, "meta";
    /// Signed deltas by log and number, byte for byte as they were received.
    Logs = 2, "logs";
    /// Current claims.
    Claims = 3, "claims";
    /// Record bodies by content hash.
    Bodies = 4, "bodies";
    /// Canonical advisories, derived.
    View = 5, "view";
    /// Index: vulnerability alias to merge hashes.
    ByAlias = 6, "by-alias";
    /// Index: package identity to merge hashes.
    ByPackage = 7, "by-package";
    /// Index: merge hash to the advisory that it names or redirects to.
    ByMergeHash = 8, "by-merge-hash";
    /// Index: cursor to the changes there.
    ByCursor = 9, "by-cursor";
    /// Imports, exports, operator decisions: the audit trail.
    Ledger = 10, "ledger";
    /// The allow-list, certificates and positions of every known site.
    Sites = 11, "sites";
    /// Events for subscribers, by number.
    Events = 12, "events";
    /// The last seen content of each feed.
    Feeds = 13, "feeds";
    /// Shared documents: changes and saved states.
    Documents = 14, "documents";
    /// Received data that is not yet accepted, with the reason.
    Held = 15, "held";
    /// Packages that changed since the match index was made.
    Unindexed = 16, "unindexed";
    /// The past: snapshots, and replaced claims.
    History = 17, "history";
    /// Index: product by CPE name to the records that name it.
    ByProduct = 18, "by-product";
}

impl Tree {
    /// Returns the frozen number, the first byte of every stored key.
    pub const fn number(self) -> u8 {
        self as u8
    }
}

impl std::fmt::Display for Tree {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::Tree;

    #[test]
    fn numbers_are_unique_rising_and_outside_the_reserved_ranges() {
        for pair in Tree::ALL.windows(2) {
            assert!(
                pair[0].number() < pair[1].number(),
                "{} before {}",
                pair[0],
                pair[1]
            );
        }
        for tree in Tree::ALL {
            assert!(
                (1..0xF0).contains(&tree.number()),
                "{tree} uses a reserved number"
            );
            assert_eq!(Tree::from_number(tree.number()), Some(*tree));
        }
        assert_eq!(Tree::from_number(0), None);
    }
}
