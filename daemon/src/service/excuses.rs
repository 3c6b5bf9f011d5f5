//! Decides whose mutes apply here, and why others do not.

use std::collections::BTreeMap;
use std::sync::Arc;

use starling_documents::mutes::{Mute, Mutes};
use starling_protocol::SiteId;
use starling_store::ListedSite;

/// The allow-list's entry about a site's mutes.
#[derive(Debug)]
struct Entry {
    name: String,
    /// `None` for a site that was listed before this option existed.
    may_mute: Option<bool>,
}

/// The sites whose mutes apply here: this site, and listed sites that may mute.
#[derive(Debug)]
pub(super) struct Excuses {
    own: SiteId,
    listed: BTreeMap<SiteId, Entry>,
}

impl Excuses {
    pub(super) fn of(own: SiteId, listed: &[ListedSite]) -> Self {
        let entry = |site: &ListedSite| Entry {
            name: site.slug.to_string(),
            may_mute: site.may_mute,
        };
        Self {
            own,
            listed: listed.iter().map(|site| (site.site, entry(site))).collect(),
        }
    }

    fn may_mute(&self, site: &SiteId) -> bool {
        *site == self.own
            || self
                .listed
                .get(site)
                .is_some_and(|entry| entry.may_mute != Some(false))
    }

    /// Returns the applicable mutes.
    pub(super) fn counting(&self, mutes: &Arc<Mutes>) -> Arc<Mutes> {
        let may = |mute: &&Mute| self.may_mute(&mute.site);
        if mutes.all().iter().all(|mute| may(&mute)) {
            return Arc::clone(mutes);
        }
        Arc::new(Mutes::new(mutes.all().iter().filter(may).cloned().collect()))
    }

    /// Returns true if a site's mutes apply, with the reason if not, or with a warning if no entry allows it
    /// explicitly.
    pub(super) fn standing_of(&self, site: &SiteId) -> (bool, Option<String>) {
        let remark = match self.listed.get(site) {
            _ if *site == self.own => None,
            Some(Entry { name, may_mute }) => match may_mute {
                Some(true) => None,
                Some(false) => Some(format!(
                    "{name} may not mute here (`starling sites set {name} --may-mute`)"
                )),
                None => Some(format!(
                    "{name} was listed before this option existed: its mutes apply until `starling sites set {name} \
                     --may-mute` or `--may-not-mute` says whether they should"
                )),
            },
            None => Some("its site is not on the allow-list".to_owned()),
        };
        (self.may_mute(site), remark)
    }

    /// Returns the identities and names of sites whose mutes apply although no entry allows it explicitly.
    pub(super) fn into_unconfirmed(self) -> BTreeMap<String, String> {
        let unsaid = self
            .listed
            .into_iter()
            .filter(|(_, entry)| entry.may_mute.is_none());
        unsaid
            .map(|(site, entry)| (site.to_string(), entry.name))
            .collect()
    }
}
