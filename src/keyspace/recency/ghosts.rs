//! Who was evicted not long ago: fingerprints of keys, two bytes each.

/// Fingerprints to a bucket, from the youngest to the oldest; 0 is none.
const SLOTS: usize = 8;
type Bucket = [u16; SLOTS];

/// See the [module](self). Of two keys in 8,000, one is taken for the other.
#[derive(Clone, Default)]
pub(super) struct Ghosts(Vec<Bucket>);

impl Ghosts {
    /// Has room for so many, more or less. What is known is forgotten where that has changed by much. O(1),
    /// and O(n) then.
    pub(super) fn keep_size(&mut self, keys: usize) {
        let (wanted, buckets) = (keys / SLOTS + 1, self.0.len());
        if wanted > buckets + buckets / 4 || wanted < buckets / 4 {
            self.0 = vec![[0; SLOTS]; wanted];
        }
    }

    /// Notes a key; the oldest of its bucket is forgotten. O(1)
    pub(super) fn add(&mut self, hash: u32) {
        if let Some(bucket) = self.bucket(hash) {
            bucket.copy_within(..SLOTS - 1, 1);
            bucket[0] = fingerprint(hash);
        }
    }

    /// Whether a key was noted; it is forgotten. O(1)
    pub(super) fn take(&mut self, hash: u32) -> bool {
        let Some(bucket) = self.bucket(hash) else { return false };
        let Some(slot) = bucket.iter().position(|known| *known == fingerprint(hash)) else { return false };
        bucket.copy_within(slot + 1.., slot);
        bucket[SLOTS - 1] = 0;
        true
    }

    /// Heap memory, in bytes. O(1)
    pub(super) fn bytes(&self) -> usize {
        self.0.capacity() * size_of::<Bucket>()
    }

    /// The bucket of a hash, by its first bits; the last ones are the fingerprint.
    fn bucket(&mut self, hash: u32) -> Option<&mut Bucket> {
        let at = (u64::from(hash) * self.0.len() as u64) >> u32::BITS;
        self.0.get_mut(at as usize)
    }
}

fn fingerprint(hash: u32) -> u16 {
    (hash as u16).max(1)
}
