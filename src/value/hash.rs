#[derive(Clone, Default)]
pub(crate) struct Hash;
impl Hash {
    pub(crate) fn is_empty(&self) -> bool {
        true
    }
    pub(crate) fn bytes(&self) -> usize {
        0
    }
    pub(crate) fn next_deadline(&self) -> u64 {
        u64::MAX
    }
    pub(crate) fn len(&self, _now: u64) -> usize {
        0
    }
    pub(crate) fn remove_expired(&mut self, _now: u64) -> usize {
        0
    }
}
