//! The model as a world's store. It survives a crash unchanged: data that is not in it was never acknowledged.

use starling_protocol::{
    CertificateChain, ContentHash, KnowledgeRoot, Lane, LaneResume, Reason, RecordId, SigningKey, Source,
    UnixMillis,
};
use starling_sync::model::ModelReplica;
use starling_sync::{Replica, WritableReplica};

use super::SimStore;

impl SimStore for ModelReplica {
    fn publish(
        &mut self,
        source: &Source,
        records: &[(RecordId, Vec<u8>)],
        now: UnixMillis,
    ) -> Result<(), String> {
        ModelReplica::publish(self, Lane::Federation, source, records, now).map_err(|error| error.to_string())
    }

    fn list(&mut self, chain: &CertificateChain, _now: UnixMillis) -> Result<(), String> {
        ModelReplica::list(self, chain.site());
        self.learn_chain(chain)
            .map(drop)
            .map_err(|error| error.to_string())
    }

    fn set_failing(&mut self, failing: bool) {
        self.fail_after(failing.then_some(0));
    }

    fn doom(&mut self, _writes: u32) {}

    fn has_lost_power(&self) -> bool {
        false
    }

    fn knowledge_root(&self) -> KnowledgeRoot {
        ModelReplica::knowledge_root(self)
    }

    fn held_root(&self) -> KnowledgeRoot {
        ModelReplica::held_root(self)
    }

    fn crash(mut self: Box<Self>, _now: UnixMillis) -> Result<Box<dyn SimStore>, String> {
        self.fail_after(None);
        Ok(self)
    }

    fn restore(&mut self, back: usize, now: UnixMillis) -> Result<Option<CertificateChain>, String> {
        if back > 0 {
            return Ok(None);
        }
        let site = self.site();
        let end = self.tip(&site, Lane::Federation);
        let lanes = end.map(|end| LaneResume {
            lane: Lane::Federation,
            number: end.number,
            header: end.header,
        });
        let mut keys = self.keys().clone();
        // A key that depends only on the previous one, so that a run can be repeated.
        keys.operating = SigningKey::from_seed(ContentHash::of(&*keys.operating.seed()).as_bytes());
        let lanes = lanes.into_iter().collect();
        let chain = self
            .own_chain()
            .next_epoch(&keys.root, &keys.operating, lanes, Reason::ForkResolution, now)
            .map_err(|error| error.to_string())?;
        self.rotate(chain.clone(), keys);
        Ok(Some(chain))
    }

    fn lose_home(
        self: Box<Self>,
        _others: &[CertificateChain],
        _now: UnixMillis,
    ) -> Result<Box<dyn SimStore>, String> {
        Err("the model's homes are not lost".to_owned())
    }

    fn go_on(&mut self, _at_once: bool, _now: UnixMillis) -> Result<Option<(CertificateChain, u64)>, String> {
        Ok(None)
    }

    fn twin(&self) -> Option<Box<dyn SimStore>> {
        Some(Box::new(self.clone()))
    }
}
