//! Every test that needs more than one unit: one binary, one file a topic in `suite/`.

mod suite {
    mod did_server;
    mod key_file;
    mod resolver;
    mod service_tokens;
}
