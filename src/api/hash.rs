//! hash handles.
