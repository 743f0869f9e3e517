//! Fills the shop: by the bulk import, as anybody would.

use std::{
    io::{IsTerminal as _, Write as _},
    time::Instant,
};

use bytes::Bytes;
use indicatif::{ProgressBar, ProgressStyle};
use shopwright_model::EntityKind;
use tokio::sync::mpsc;

use crate::{DemoError, send::Sender, shop::Shop, show::words::grouped};

/// Bytes that go out together.
const PIECE: usize = 256 << 10;

/// A piece of the import: so many documents of one kind.
struct Piece {
    kind: EntityKind,
    documents: u64,
    lines: Bytes,
}

/// How far something is: a bar on a terminal, lines elsewhere.
pub(crate) struct Progress {
    bar: ProgressBar,
    terminal: bool,
    quiet: bool,
}

impl Progress {
    pub fn new(total: u64, quiet: bool) -> Self {
        let terminal = std::io::stderr().is_terminal();
        let bar = if quiet || !terminal { ProgressBar::hidden() } else { ProgressBar::new(total) };
        // The template is a constant that parses.
        let style = ProgressStyle::with_template("  {msg:<34} {bar:36.green/dim} {percent:>3} %  {elapsed}")
            .unwrap_or_else(|_| ProgressStyle::default_bar());
        bar.set_style(style.progress_chars("━━─"));
        Self { bar, terminal, quiet }
    }

    fn step(&self, documents: u64, words: String) {
        self.bar.inc(documents);
        self.bar.set_message(words);
    }

    /// A line that stays.
    pub fn line(&self, text: &str) {
        if self.quiet {
            return;
        }
        // Whoever watches may have gone; the show finds out.
        let print = || drop(writeln!(std::io::stdout(), "{text}"));
        if self.terminal {
            self.bar.suspend(print);
        } else {
            print();
        }
    }
}

/// Sends all documents of `shop` to the host, kind by kind. Gives the shop back and the number of
/// documents.
pub(crate) async fn fill(shop: Shop, sender: &Sender, quiet: bool) -> Result<(Shop, u64), DemoError> {
    let began = Instant::now();
    // Engagements are not counted beforehand; a customer has two or three.
    let expected = shop.counts().iter().map(|(_, count)| *count as u64).sum::<u64>() + shop.people.len() as u64 * 2;
    let progress = Progress::new(expected, quiet);
    let (pieces, mut made) = mpsc::channel::<Piece>(8);
    // Making documents is work for a processor, sending them is not.
    let maker = tokio::task::spawn_blocking(move || {
        make(&shop, &pieces);
        shop
    });
    let mut total = 0_u64;
    let mut next = made.recv().await;
    while let Some(first) = next.take() {
        let kind = first.kind;
        let (lines, stream) = mpsc::channel::<Result<Bytes, std::io::Error>>(4);
        let id = format!("demo-{kind}");
        let body = reqwest::Body::wrap_stream(futures::stream::unfold(stream, |mut stream| async move {
            stream.recv().await.map(|piece| (piece, stream))
        }));
        let importing = sender.import(&id, kind.as_str(), body);
        let mut of_kind = 0_u64;
        let feeding = async {
            let mut piece = Some(first);
            while let Some(Piece { kind: of, documents, lines: bytes }) = piece.take() {
                if of != kind {
                    next = Some(Piece { kind: of, documents, lines: bytes });
                    break;
                }
                of_kind += documents;
                progress.step(documents, format!("{} {}", grouped(of_kind), plural(kind)));
                if lines.send(Ok(bytes)).await.is_err() {
                    break; // The other side ended; it says why.
                }
                piece = made.recv().await;
            }
            drop(lines);
        };
        let (answer, ()) = futures::future::join(importing, feeding).await;
        let answer = answer?;
        let (stored, refused) = (answer["stored"].as_u64().unwrap_or(0), answer["refused"].as_u64().unwrap_or(0));
        if refused > 0 {
            let reason = format!("{refused} lines were refused: {}", answer["errors"][0]["detail"]);
            return Err(DemoError::Http { what: format!("import of {kind}"), reason });
        }
        total += stored;
        progress.line(&format!("  {:>7} {}", grouped(of_kind), plural(kind)));
    }
    progress.bar.finish_and_clear();
    let shop =
        maker.await.map_err(|error| DemoError::Http { what: "filling the shop".into(), reason: error.to_string() })?;
    let seconds = began.elapsed().as_secs_f64();
    progress.line(&format!("  filled in {seconds:.1} s: {} documents by the bulk import", grouped(total)));
    Ok((shop, total))
}

fn make(shop: &Shop, pieces: &mpsc::Sender<Piece>) {
    let mut buffer: Vec<u8> = Vec::with_capacity(PIECE + 4096);
    let (mut kind, mut documents) = (EntityKind::Product, 0_u64);
    let send = |kind, documents: &mut u64, buffer: &mut Vec<u8>| {
        if *documents == 0 {
            return true;
        }
        let lines = Bytes::from(std::mem::replace(buffer, Vec::with_capacity(PIECE + 4096)));
        pieces.blocking_send(Piece { kind, documents: std::mem::take(documents), lines }).is_ok()
    };
    for record in shop.records() {
        if record.kind() != kind || buffer.len() >= PIECE {
            if !send(kind, &mut documents, &mut buffer) {
                return;
            }
            kind = record.kind();
        }
        record.write_json(&mut buffer);
        buffer.push(b'\n');
        documents += 1;
    }
    send(kind, &mut documents, &mut buffer);
}

fn plural(kind: EntityKind) -> &'static str {
    match kind {
        EntityKind::Customer => "customers",
        EntityKind::Product => "products",
        EntityKind::Level => "stock levels",
        EntityKind::Order => "orders",
        EntityKind::Cart => "carts",
        EntityKind::Ticket => "tickets",
        EntityKind::Article => "help articles",
        EntityKind::Review => "reviews",
        EntityKind::CompetitorPrice => "competitors' prices",
        EntityKind::Engagement => "answers to newsletters",
        EntityKind::Discount => "discounts",
    }
}
