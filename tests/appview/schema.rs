//! The schema's versions: what was there before is there afterwards.

use atcr_appview::accounts::tables;
use atcr_appview::oauth::NewTokens;
use atcr_appview::schema;
use atproto::syntax::Did;
use server::sqlite::{Database, Schema};
use server::storage::StorageError;
use tempfile::TempDir;

/// As it was before there were sessions by OAuth.
const BEFORE_OAUTH: Schema = Schema {
    migrations: &[
        include_str!("../../src/appview/schema/001_sessions.sql"),
        include_str!("../../src/appview/schema/002_uploads.sql"),
    ],
    ..schema::SCHEMA
};

#[tokio::test]
async fn sessions_by_password_keep_their_tokens_and_numbers() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("appview.db");
    let alice = Did::parse("did:plc:ewvi7nxzyoun6zhxrhs64oiz").unwrap();
    {
        let database = Database::open(&path, &BEFORE_OAUTH).unwrap();
        let sql = "INSERT INTO pds_session (id, account, password, access, refresh, proven_us) VALUES
                   (3, 'did:plc:ewvi7nxzyoun6zhxrhs64oiz', zeroblob(32), 'a', 'r', 5), (9, 'x', zeroblob(32), 'a', 'r', 5)";
        let write = move |write: &server::sqlite::Write<'_>| {
            write.execute(sql, ())?;
            write.execute("DELETE FROM pds_session WHERE id = 9", ())
        };
        assert_eq!(database.write::<_, StorageError, _>(write).await.unwrap(), 1);
        database.settle().await;
    }
    let database = schema::open(&path).unwrap();
    let by = alice.clone();
    let read = move |read: &server::sqlite::Read<'_>| tables::by_password(read, &by, &[0; 32]);
    let row = database.read(read).await.unwrap().unwrap();
    assert_eq!((row.id, &*row.access, &*row.refresh, row.proven_us), (3, "a", "r", 5));
    assert!(row.binding.is_none());
    let binding = tables::Binding { issuer: "https://as.example".into(), key: [7; 32] };
    let write = move |write: &server::sqlite::Write<'_>| {
        let tokens = |access: &str, refresh: &str| NewTokens { access: access.into(), refresh: refresh.into() };
        let first = tables::adopt(write, &alice, &binding, &tokens("a", "r"), 1)?;
        let again = tables::adopt(write, &alice, &binding, &tokens("b", "s"), 2)?;
        Ok::<_, StorageError>((first, again))
    };
    assert_eq!(database.write(write).await.unwrap(), (10, 10), "no number twice; one session by OAuth an account");
}
