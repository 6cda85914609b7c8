#[derive(Clone, Default)]
pub(crate) struct Set;
impl Set {
    pub(crate) fn is_empty(&self) -> bool {
        true
    }
    pub(crate) fn bytes(&self) -> usize {
        0
    }
}
