//! Authors claims: the part of a site that only its owner can do.

use std::time::Duration;

use starling_protocol::{
    CertificateChain, Claim, ContentHash, DeltaBuilder, DeltaPlace, Head, Lane, RecordId, SigningKey,
    SiteSlug, Source, SourceCheck, UnixMillis, VerifiedDelta, next_time,
};

use super::replica::ModelReplica;
use crate::replica::{Replica, ReplicaError, WritableReplica};

/// zstd level of the claims block of a new delta.
const CLAIMS_LEVEL: i32 = 9;

/// A site's secret keys.
#[derive(Debug, Clone)]
pub struct ModelKeys {
    /// Signs certificates.
    pub root: SigningKey,
    /// Signs deltas and heads.
    pub operating: SigningKey,
}

impl ModelKeys {
    /// Keys that depend on a number only, for worlds that repeat themselves.
    #[must_use]
    pub fn of_seed(seed: u64) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed ^ 0x5741_524c_494e_4721);
        let mut key = || {
            let mut bytes = [0; 32];
            rng.fill(&mut bytes);
            SigningKey::from_seed(&bytes)
        };
        Self {
            root: key(),
            operating: key(),
        }
    }

    /// Returns the genesis chain of a site with these keys.
    #[must_use]
    pub fn genesis(&self, slug: SiteSlug, now: UnixMillis) -> CertificateChain {
        CertificateChain::genesis(slug, &self.root, &self.operating, now)
    }
}

impl ModelReplica {
    /// States that records of `source` have these bodies: one or more deltas, and a new head.
    ///
    /// # Errors
    /// If the own log cannot take them, or is known to continue beyond its held part.
    pub fn publish(
        &mut self,
        lane: Lane,
        source: &Source,
        records: &[(RecordId, Vec<u8>)],
        now: UnixMillis,
    ) -> Result<(), ReplicaError> {
        let claims = records.iter().map(|(id, body)| {
            let size = u32::try_from(body.len()).unwrap_or(u32::MAX);
            Claim::set(source, id, ContentHash::of(body), size, now)
        });
        let claims = claims.collect();
        self.demand_not_behind(lane)?;
        for (_, body) in records {
            self.put_body(body);
        }
        self.author(lane, claims, now)
    }

    /// Authors claims whose bodies, if any, are already here.
    ///
    /// # Errors
    /// As [`publish`](Self::publish).
    pub fn author(&mut self, lane: Lane, claims: Vec<Claim>, now: UnixMillis) -> Result<(), ReplicaError> {
        self.demand_not_behind(lane)?;
        let mut builder = DeltaBuilder::default();
        for claim in claims {
            if let Err(claim) = builder.push(claim) {
                let full = std::mem::take(&mut builder);
                self.append_own(lane, full, now)?;
                builder
                    .push(claim)
                    .map_err(|claim| self.refused(&claim.key().to_string()))?;
            }
        }
        if !builder.is_empty() {
            self.append_own(lane, builder, now)?;
        }
        self.accept()?;
        self.sign_head(lane, now, Duration::from_secs(86_400));
        Ok(())
    }

    /// Signs a head at the current end of an own log, valid for some time.
    pub fn sign_head(&mut self, lane: Lane, now: UnixMillis, validity: Duration) {
        let site = self.site();
        let epoch = self.own_chain().epoch();
        let log = self.log(&site, lane);
        let checks = log.state.sources().keys().flatten().map(|source| SourceCheck {
            source: source.clone(),
            checked_at: now,
        });
        let head = Head {
            site,
            epoch,
            lane,
            time: log.tip.cursor.time,
            number: log.held(),
            header: log.tip.header,
            live_entries: log.state.live(),
            state_root: log.state.root(),
            issued_at: now,
            expires_at: crate::clock::later(now, validity),
            checks: checks.collect(),
        };
        let head = head.sign(&self.keys().operating);
        self.put_head(head);
    }

    /// Refuses to sign in a log that is known to continue beyond its held part: the site was restored from a
    /// backup or copied. Its own head would lower the high-water mark, and its claims would begin a second
    /// history.
    fn demand_not_behind(&self, lane: Lane) -> Result<(), ReplicaError> {
        let position = self.position(&self.site(), lane);
        match position.filter(|position| position.high_water > position.held) {
            Some(position) => Err(self.refused(&format!(
                "claim {} of the own log is known, and only {} is held",
                position.high_water, position.held
            ))),
            None => Ok(()),
        }
    }

    fn append_own(&mut self, lane: Lane, builder: DeltaBuilder, now: UnixMillis) -> Result<(), ReplicaError> {
        let delta = self.build(lane, builder, now)?;
        match self.append(delta.as_bytes())?.problem {
            None => Ok(()),
            Some(problem) => Err(self.refused(&format!("{problem:?}"))),
        }
    }

    /// Builds and signs the next delta of an own log without appending it.
    ///
    /// # Errors
    /// If it would be too large.
    pub fn build(
        &self,
        lane: Lane,
        builder: DeltaBuilder,
        now: UnixMillis,
    ) -> Result<VerifiedDelta, ReplicaError> {
        let site = self.site();
        let log = self.log(&site, lane);
        let state = log.state_after(builder.claims().iter());
        let place = DeltaPlace {
            site,
            epoch: self.own_chain().epoch(),
            lane,
            first: log.tip.next(),
            previous: log.tip.header,
            time: next_time(now, log.tip.cursor.time),
        };
        let key = &self.keys().operating;
        builder
            .finish(place, state.live(), state.root(), CLAIMS_LEVEL, key)
            .map_err(|error| self.refused(&error.to_string()))
    }

    fn refused(&self, reason: &str) -> ReplicaError {
        ReplicaError::Refused {
            attempted: format!("authoring claims at {}", self.own_chain().slug()),
            reason: reason.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use starling_protocol::ClaimNumber;

    use super::*;
    use crate::replica::LearnedHead;

    #[test]
    fn site_behind_its_own_head_signs_nothing() {
        let now = UnixMillis::saturating(1);
        let record = |id: &str| {
            let body = format!("{{\"id\":\"{id}\"}}").into_bytes();
            [(id.parse().unwrap(), body)]
        };
        let source = "pypa".parse().unwrap();
        let slug = "site-a".parse().unwrap();
        let mut site = ModelReplica::new(slug, ModelKeys::of_seed(1), now);
        let mut backup = site.clone();
        let lane = Lane::Federation;
        for id in ["P-1", "P-2"] {
            site.publish(lane, &source, &record(id), now).unwrap();
        }
        let head = site.head(&site.site(), lane).unwrap();
        backup.publish(lane, &source, &record("P-3"), now).unwrap();
        assert_eq!(backup.learn_head(&head).unwrap(), LearnedHead::Newer);
        let refused = backup.publish(lane, &source, &record("P-4"), now);
        assert!(matches!(refused, Err(ReplicaError::Refused { .. })));
        let position = backup.position(&backup.site(), lane).unwrap();
        let numbers = (position.held, position.high_water);
        assert_eq!(numbers, (ClaimNumber(1), ClaimNumber(2)));
    }
}
