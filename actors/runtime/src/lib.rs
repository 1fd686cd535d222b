//! How the domain runs on ractor.
