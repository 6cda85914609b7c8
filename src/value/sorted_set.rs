#[derive(Clone, Default)]
pub(crate) struct SortedSet;
impl SortedSet {
    pub(crate) fn is_empty(&self) -> bool {
        true
    }
    pub(crate) fn bytes(&self) -> usize {
        0
    }
}
