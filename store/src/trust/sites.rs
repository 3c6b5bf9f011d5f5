//! Changes of the allow-list, and what a change means for records that are held already.

use starling_protocol::{CertificateChain, ClaimNumber, SiteSlug};

use super::ListedSite;
use crate::SiteStore;
use crate::engine::Tree;
use crate::error::StoreError;
use crate::journal::Entry;
use crate::rows::txn::Txn;
use crate::rows::{damaged, sites};
use crate::site::state::{LogId, State};

impl SiteStore {
    /// Returns the allow-list, by name.
    ///
    /// # Errors
    /// [`StoreError::Poisoned`].
    pub fn listed_sites(&self) -> Result<Vec<ListedSite>, StoreError> {
        Ok(self.read()?.listed.values().cloned().collect())
    }

    /// Returns one entry of the allow-list.
    ///
    /// # Errors
    /// [`StoreError::SiteNotListed`].
    pub fn listed_site(&self, slug: &SiteSlug) -> Result<ListedSite, StoreError> {
        let missing = || StoreError::SiteNotListed {
            site: slug.to_string(),
        };
        self.read()?.listed.get(slug).cloned().ok_or_else(missing)
    }

    /// Puts a site on the allow-list, with its chain if that is known.
    ///
    /// # Errors
    /// [`StoreError::SiteExists`], [`StoreError::KeyListed`], [`StoreError::OwnSite`], or a chain of another site.
    pub fn list_site(&self, listed: ListedSite, chain: Option<&CertificateChain>) -> Result<(), StoreError> {
        self.change(|state| {
            if listed.site == state.site {
                return Err(StoreError::OwnSite { slug: listed.slug });
            }
            if let Some(found) = state.listed_by_site(&listed.site)
                && found.slug != listed.slug
            {
                return Err(StoreError::KeyListed {
                    slug: listed.slug,
                    found: found.slug.clone(),
                });
            }
            if let Some(found) = state.listed.get(&listed.slug) {
                return Err(StoreError::SiteExists {
                    slug: found.slug.clone(),
                    found: found.site,
                });
            }
            if let Some(chain) = chain {
                self.keep_chain(state, chain)?;
            }
            let mut txn = self.txn();
            write_listed(&mut txn, state, listed)?;
            self.rescope(txn, state)
        })
    }

    /// Changes an entry of the allow-list; name and site stay.
    ///
    /// # Errors
    /// [`StoreError::SiteNotListed`].
    pub fn update_listed_site(
        &self,
        slug: &SiteSlug,
        change: impl FnOnce(&mut ListedSite),
    ) -> Result<ListedSite, StoreError> {
        self.change(|state| {
            let missing = || StoreError::SiteNotListed {
                site: slug.to_string(),
            };
            let before = state.listed.get(slug).cloned().ok_or_else(missing)?;
            let mut after = before.clone();
            change(&mut after);
            (after.slug, after.site) = (before.slug, before.site);
            let mut txn = self.txn();
            write_listed(&mut txn, state, after.clone())?;
            self.rescope(txn, state)?;
            Ok(after)
        })
    }

    /// Takes a site off the allow-list. Its claims stay held but are no longer accepted.
    ///
    /// # Errors
    /// [`StoreError::SiteNotListed`].
    pub fn unlist_site(&self, slug: &SiteSlug) -> Result<ListedSite, StoreError> {
        self.change(|state| {
            let missing = || StoreError::SiteNotListed {
                site: slug.to_string(),
            };
            let removed = state.listed.remove(slug).ok_or_else(missing)?;
            state.history.note_listed(slug, Some(&removed));
            let mut txn = self.txn();
            txn.delete(Tree::Sites, &listed_key(slug));
            txn.log(Entry::Unlisted(slug.clone()));
            self.rescope(txn, state)?;
            Ok(removed)
        })
    }

    /// Follows a change of scope: other bodies are missing, other claims apply, and the view is folded again.
    ///
    /// Claims that come into scope are not accepted before their bodies are here.
    ///
    /// `txn` holds the change of the list: it commits with its consequences, or not at all.
    fn rescope(&self, mut txn: Txn<'_>, state: &mut State) -> Result<(), StoreError> {
        let mut affected = false;
        let mut taken_back = Vec::new();
        let ids: Vec<LogId> = state.logs.keys().copied().collect();
        for id in ids {
            let allowed: Vec<_> = match state.logs.get(&id) {
                Some(log) => log
                    .sources
                    .keys()
                    .map(|source| state.in_scope(&id.site, source.as_ref()))
                    .collect(),
                None => continue,
            };
            let State { logs, history, .. } = &mut *state;
            let Some(log) = logs.get_mut(&id) else {
                continue;
            };
            for ((source, row), in_scope) in log.sources.iter_mut().zip(allowed) {
                affected |= row.last > ClaimNumber::NONE;
                if !in_scope && row.accepted > ClaimNumber::NONE {
                    history.note_position(log.number, source.as_ref(), row);
                    row.accepted = ClaimNumber::NONE;
                    row.viewed = ClaimNumber::NONE;
                    row.accepted_state = starling_protocol::SourceState::default();
                    let key = sites::source(log.number, crate::rows::source_text(source.as_ref()));
                    txn.put(Tree::Sites, &key, row.encode());
                    taken_back.push((id, source.clone(), ClaimNumber::NONE));
                }
            }
        }
        if !taken_back.is_empty() {
            txn.log(Entry::Accepted {
                bundle: None,
                positions: taken_back,
            });
        }
        if affected {
            txn.put(Tree::Meta, crate::rows::meta::REBUILD, b"scope".to_vec());
        }
        state.history.write(&mut txn);
        txn.commit()?;
        if affected {
            state.rebuild = true;
            self.find_wanted(state)?;
            // Claims that came into scope with their bodies apply at once.
            self.accept_whole(state)?;
            self.show(state, &crate::activity::events::Origin::default())?;
        }
        Ok(())
    }
}

pub(crate) fn listed_key(slug: &SiteSlug) -> Vec<u8> {
    [&[sites::LISTED], slug.as_str().as_bytes()].concat()
}

pub(crate) fn listed_row(listed: &ListedSite) -> Result<Vec<u8>, StoreError> {
    serde_json::to_vec(listed).map_err(|_| damaged(Tree::Sites, &[], "a listed site to write"))
}

fn write_listed(txn: &mut Txn<'_>, state: &mut State, listed: ListedSite) -> Result<(), StoreError> {
    txn.put(Tree::Sites, &listed_key(&listed.slug), listed_row(&listed)?);
    let before = state.listed.get(&listed.slug).cloned();
    state.history.note_listed(&listed.slug, before.as_ref());
    txn.log(Entry::Listed(listed.clone()));
    state.listed.insert(listed.slug.clone(), listed);
    Ok(())
}
