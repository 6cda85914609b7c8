//! sorted set handles.
