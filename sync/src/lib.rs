//! State machines for sessions, gossip, trust and acceptance: event and now in, effects out.
