//! set handles.
