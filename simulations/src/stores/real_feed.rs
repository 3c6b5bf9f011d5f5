//! The real store as a site's that fetches a source, or stands by.

use std::collections::{BTreeMap, BTreeSet};

use starling_protocol::{ContentHash, FeedOffer, Lane, RecordId, Source, UnixMillis};
use starling_store::{FeedBase, FeedCommit, FeedInput, FoundRecord, HeadSigning, Origin, SeenOffers};

use super::real::{HEAD_VALID_MILLIS, RealStore, text};
use crate::feeds::SourceContent;

impl RealStore {
    pub(super) fn seen_offers(&self) -> Result<SeenOffers, String> {
        self.store.offers().map_err(text)
    }

    pub(super) fn state(&self, source: &Source, offer: &FeedOffer, now: UnixMillis) -> Result<(), String> {
        let claims = [offer.to_claim(source, now)];
        let key = &self.keys.operating;
        self.store
            .author(Lane::Federation, claims, key, now, &Origin::default())
            .map_err(text)?;
        self.store.sign_heads(&self.signing(now)).map_err(text)
    }

    fn signing(&self, now: UnixMillis) -> HeadSigning<'_> {
        HeadSigning {
            key: &self.keys.operating,
            now,
            valid_millis: HEAD_VALID_MILLIS,
        }
    }

    pub(super) fn take_in(
        &self,
        source: &Source,
        content: &SourceContent,
        offer: &FeedOffer,
        now: UnixMillis,
    ) -> Result<u64, String> {
        let bodies: Vec<(ContentHash, &[u8])> = content
            .values()
            .map(|body| (ContentHash::of(body), &body[..]))
            .collect();
        self.store.put_bodies(source, &bodies).map_err(text)?;
        let record = |(id, (content, body)): (&RecordId, &(ContentHash, &[u8]))| {
            let size = u32::try_from(body.len()).unwrap_or(u32::MAX);
            let content = *content;
            (id.clone(), FoundRecord { content, size })
        };
        let found = content.keys().zip(&bodies).map(record).collect();
        let input = FeedInput {
            source,
            lane: Lane::Federation,
            base: FeedBase::View,
            found: &found,
            complete: true,
            keep: &BTreeSet::new(),
            now,
        };
        let plan = self.store.plan_feed(&input).map_err(text)?;
        if plan.stuck > 0 {
            return Err(format!("{} records cannot be replaced", plan.stuck));
        }
        let mut claims = plan.claims;
        let stated = claims.len() as u64;
        if plan.rests_on != offer.rests_on {
            let offer = FeedOffer {
                rests_on: plan.rests_on,
                ..offer.clone()
            };
            claims.push(offer.to_claim(source, now));
        }
        let commit = FeedCommit {
            source,
            lane: Lane::Federation,
            claims,
            names: &[],
            is_checked: true,
        };
        self.store
            .commit_feed(commit, &self.signing(now), &Origin::default())
            .map_err(text)?;
        Ok(stated)
    }

    pub(super) fn content_of(&self, source: &Source) -> Result<BTreeMap<RecordId, ContentHash>, String> {
        let said = self
            .store
            .said(source, Lane::Federation, FeedBase::View)
            .map_err(text)?;
        let live = said
            .into_iter()
            .filter_map(|(id, said)| Some((id, said.content?)));
        Ok(live.collect())
    }
}
