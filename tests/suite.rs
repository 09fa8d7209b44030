//! Every test that needs more than one unit: one binary, one file a topic in `suite/`.

mod suite {
    mod connection;
    mod daemon;
}
