//! A document as an A4 PDF: title and QR code, facts, tables with headers on every page, totals,
//! signature lines.

use chrono::Utc;
use krilla::Document as Pdf;
use krilla::color::rgb;
use krilla::geom::{PathBuilder, Rect};
use krilla::metadata::Metadata;
use krilla::num::NormalizedF32;
use krilla::page::PageSettings;
use krilla::paint::Fill;
use krilla::surface::Surface;
use qrcode::{EcLevel, QrCode};

use super::document::{Align, Cell, Document, Table};
use super::pdf_text::{Fonts, Weight};

// All lengths are points, 1/72 inch.
const PAGE_WIDTH: f32 = 595.0;
const PAGE_HEIGHT: f32 = 842.0;
const MARGIN: f32 = 42.0;
const CONTENT_WIDTH: f32 = PAGE_WIDTH - 2.0 * MARGIN;
/// Only the footer is below this position.
const BOTTOM: f32 = PAGE_HEIGHT - MARGIN - 16.0;
const ROW_HEIGHT: f32 = 16.0;
const TEXT_SIZE: f32 = 9.0;
const QR_SIZE: f32 = 84.0;
const CELL_PADDING: f32 = 4.0;
const SIGNATURE_HEIGHT: f32 = 60.0;
/// Number of fact columns.
const FACT_COLUMNS: usize = 2;

/// Red, green and blue.
#[derive(Clone, Copy)]
struct Ink(u8, u8, u8);

const INK: Ink = Ink(24, 24, 27);
const GREY_INK: Ink = Ink(95, 99, 108);
const LINE: Ink = Ink(212, 215, 221);
const HEAD_FILL: Ink = Ink(238, 240, 244);

/// One element on a page.
enum Block<'a> {
    TableName(&'a str),
    Heads(&'a Layout<'a>),
    Row(&'a Layout<'a>, &'a [Cell]),
    Totals(&'a Layout<'a>, &'a [Cell]),
    Signatures,
}

impl Block<'_> {
    fn height(&self) -> f32 {
        match self {
            Self::TableName(_) => 28.0,
            Self::Heads(_) | Self::Row(..) | Self::Totals(..) => ROW_HEIGHT,
            Self::Signatures => SIGNATURE_HEIGHT,
        }
    }
}

/// A table and the widths of its columns.
struct Layout<'a> {
    table: &'a Table,
    widths: Vec<f32>,
}

/// Writes the PDF.
///
/// # Errors
/// Fails if the PDF can't be assembled (never for plain text).
pub fn write(document: &Document, time_zone: chrono_tz::Tz) -> anyhow::Result<Vec<u8>> {
    let writer = Writer { document, fonts: Fonts::load()?, time_zone };
    let layouts: Vec<Layout<'_>> = document.tables.iter().map(|table| writer.layout(table)).collect();
    let pages = writer.pages(&layouts);
    let mut pdf = Pdf::new();
    pdf.set_metadata(Metadata::new().title(document.title.clone()).creator("TraitorTrack".into()).language("en".into()));
    for (index, blocks) in pages.iter().enumerate() {
        let settings = PageSettings::from_wh(PAGE_WIDTH, PAGE_HEIGHT).ok_or_else(|| anyhow::anyhow!("A4 is not a valid page size"))?;
        let mut page = pdf.start_page_with(settings);
        let mut surface = page.surface();
        let mut y = MARGIN;
        if index == 0 {
            y = writer.draw_title(&mut surface)?;
        }
        for block in blocks {
            writer.draw(&mut surface, block, y);
            y += block.height();
        }
        writer.draw_footer(&mut surface, index + 1, pages.len());
        surface.finish();
        page.finish();
    }
    pdf.finish().map_err(|error| anyhow::anyhow!("could not write the PDF: {error:?}"))
}

struct Writer<'a> {
    document: &'a Document,
    fonts: Fonts,
    time_zone: chrono_tz::Tz,
}

impl Writer<'_> {
    /// Column widths in proportion to the widest value of each column, scaled to the page width.
    fn layout<'t>(&self, table: &'t Table) -> Layout<'t> {
        // A sample of a long table is enough to determine the widths.
        let sample = table.rows.iter().take(200).chain(&table.totals);
        let mut widths: Vec<f32> = table.columns.iter().map(|column| self.fonts.width(&column.name, TEXT_SIZE, Weight::Bold)).collect();
        for row in sample {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = width.max(self.fonts.width(&cell.display(self.time_zone), TEXT_SIZE, Weight::Regular));
            }
        }
        for width in &mut widths {
            *width += 2.0 * CELL_PADDING;
        }
        let all: f32 = widths.iter().sum();
        let scale = CONTENT_WIDTH / all.max(1.0);
        Layout { table, widths: widths.into_iter().map(|width| width * scale).collect() }
    }

    fn pages<'b>(&self, layouts: &'b [Layout<'b>]) -> Vec<Vec<Block<'b>>> {
        let mut pages = vec![Vec::new()];
        let mut y = self.title_height();
        for layout in layouts {
            // Avoid a table name and headers alone at the bottom of a page.
            if y + 28.0 + 2.0 * ROW_HEIGHT > BOTTOM {
                pages.push(Vec::new());
                y = MARGIN;
            }
            let mut place = |block: Block<'b>, heads: Option<&'b Layout<'b>>| {
                if y + block.height() > BOTTOM {
                    pages.push(Vec::new());
                    y = MARGIN;
                    if let (Some(layout), Some(page)) = (heads, pages.last_mut()) {
                        page.push(Block::Heads(layout));
                        y += ROW_HEIGHT;
                    }
                }
                y += block.height();
                if let Some(page) = pages.last_mut() {
                    page.push(block);
                }
            };
            place(Block::TableName(&layout.table.name), None);
            place(Block::Heads(layout), None);
            for row in &layout.table.rows {
                place(Block::Row(layout, row), Some(layout));
            }
            if let Some(totals) = &layout.table.totals {
                place(Block::Totals(layout, totals), Some(layout));
            }
        }
        if self.document.has_signatures {
            if y + SIGNATURE_HEIGHT > BOTTOM {
                pages.push(Vec::new());
            }
            if let Some(page) = pages.last_mut() {
                page.push(Block::Signatures);
            }
        }
        pages
    }

    fn facts(&self) -> Vec<(&str, String)> {
        let shown = self.document.facts.iter().map(|(name, value)| (name.as_str(), value.display(self.time_zone)));
        shown.filter(|(_, value)| !value.is_empty()).collect()
    }

    fn title_height(&self) -> f32 {
        let facts = self.facts().len().div_ceil(FACT_COLUMNS) as f32 * ROW_HEIGHT;
        let with_qr = if self.document.qr_code.is_some() { QR_SIZE } else { 0.0 };
        MARGIN + (38.0 + facts).max(with_qr) + 8.0
    }

    fn draw_title(&self, surface: &mut Surface<'_>) -> anyhow::Result<f32> {
        let mut width = CONTENT_WIDTH;
        if let Some(text) = &self.document.qr_code {
            draw_qr_code(surface, text)?;
            width -= QR_SIZE + 16.0;
        }
        fill(surface, INK);
        let title = self.fonts.fitted(&self.document.title, 20.0, Weight::Bold, width);
        self.fonts.draw(surface, MARGIN, MARGIN + 18.0, &title, 20.0, Weight::Bold);
        let column = width / FACT_COLUMNS as f32;
        for (index, (name, value)) in self.facts().iter().enumerate() {
            let x = MARGIN + (index % FACT_COLUMNS) as f32 * column;
            let y = MARGIN + 46.0 + (index / FACT_COLUMNS) as f32 * ROW_HEIGHT;
            fill(surface, GREY_INK);
            self.fonts.draw(surface, x, y, name, TEXT_SIZE, Weight::Regular);
            fill(surface, INK);
            let start = 92.0_f32.max(self.fonts.width(name, TEXT_SIZE, Weight::Regular) + 8.0);
            let value = self.fonts.fitted(value, TEXT_SIZE, Weight::Bold, column - start - 8.0);
            self.fonts.draw(surface, x + start, y, &value, TEXT_SIZE, Weight::Bold);
        }
        Ok(self.title_height())
    }

    fn draw(&self, surface: &mut Surface<'_>, block: &Block<'_>, y: f32) {
        match block {
            Block::TableName(name) => {
                fill(surface, INK);
                self.fonts.draw(surface, MARGIN, y + 19.0, name, 12.0, Weight::Bold);
            }
            Block::Heads(layout) => {
                rectangle(surface, MARGIN, y, CONTENT_WIDTH, ROW_HEIGHT, HEAD_FILL);
                fill(surface, INK);
                let heads: Vec<Cell> = layout.table.columns.iter().map(|column| Cell::Text(column.name.clone())).collect();
                self.draw_cells(surface, layout, &heads, y, Weight::Bold);
            }
            Block::Row(layout, cells) => {
                rectangle(surface, MARGIN, y + ROW_HEIGHT - 0.5, CONTENT_WIDTH, 0.5, LINE);
                fill(surface, INK);
                self.draw_cells(surface, layout, cells, y, Weight::Regular);
            }
            Block::Totals(layout, cells) => {
                rectangle(surface, MARGIN, y, CONTENT_WIDTH, 1.0, INK);
                fill(surface, INK);
                self.draw_cells(surface, layout, cells, y, Weight::Bold);
            }
            Block::Signatures => {
                for (index, who) in ["Warehouse: name, signature", "Driver: name, signature, date"].iter().enumerate() {
                    let x = MARGIN + index as f32 * (CONTENT_WIDTH / 2.0 + 12.0);
                    rectangle(surface, x, y + 42.0, CONTENT_WIDTH / 2.0 - 12.0, 0.7, INK);
                    fill(surface, GREY_INK);
                    self.fonts.draw(surface, x, y + 54.0, who, 8.0, Weight::Regular);
                }
            }
        }
    }

    fn draw_cells(&self, surface: &mut Surface<'_>, layout: &Layout<'_>, cells: &[Cell], y: f32, weight: Weight) {
        let mut x = MARGIN;
        for ((cell, width), column) in cells.iter().zip(&layout.widths).zip(&layout.table.columns) {
            let text = self.fonts.fitted(&cell.display(self.time_zone), TEXT_SIZE, weight, width - 2.0 * CELL_PADDING + 0.1);
            let left = match column.align {
                Align::Left => x + CELL_PADDING,
                Align::Right => x + width - CELL_PADDING - self.fonts.width(&text, TEXT_SIZE, weight),
            };
            self.fonts.draw(surface, left, y + 11.5, &text, TEXT_SIZE, weight);
            x += width;
        }
    }

    fn draw_footer(&self, surface: &mut Surface<'_>, page: usize, pages: usize) {
        fill(surface, GREY_INK);
        let footer = format!("TraitorTrack, {}", Cell::Time(Utc::now()).display(self.time_zone));
        self.fonts.draw(surface, MARGIN, PAGE_HEIGHT - MARGIN, &footer, 8.0, Weight::Regular);
        let number = format!("{page} / {pages}");
        let x = PAGE_WIDTH - MARGIN - self.fonts.width(&number, 8.0, Weight::Regular);
        self.fonts.draw(surface, x, PAGE_HEIGHT - MARGIN, &number, 8.0, Weight::Regular);
    }
}

/// Draws the code as one path, so that viewers show no seams between the modules.
fn draw_qr_code(surface: &mut Surface<'_>, text: &str) -> anyhow::Result<()> {
    let code = QrCode::with_error_correction_level(text, EcLevel::M)?;
    let modules = code.width();
    let module = QR_SIZE / modules as f32;
    let left = PAGE_WIDTH - MARGIN - QR_SIZE;
    let mut path = PathBuilder::new();
    for (index, color) in code.to_colors().into_iter().enumerate() {
        if color == qrcode::Color::Dark {
            let (x, y) = (left + (index % modules) as f32 * module, MARGIN + (index / modules) as f32 * module);
            if let Some(square) = Rect::from_xywh(x, y, module, module) {
                path.push_rect(square);
            }
        }
    }
    fill(surface, INK);
    if let Some(path) = path.finish() {
        surface.draw_path(&path);
    }
    Ok(())
}

fn fill(surface: &mut Surface<'_>, color: Ink) {
    surface.set_fill(Some(Fill {
        paint: rgb::Color::new(color.0, color.1, color.2).into(),
        opacity: NormalizedF32::ONE,
        rule: krilla::paint::FillRule::default(),
    }));
}

fn rectangle(surface: &mut Surface<'_>, x: f32, y: f32, width: f32, height: f32, color: Ink) {
    fill(surface, color);
    let mut path = PathBuilder::new();
    if let Some(rect) = Rect::from_xywh(x, y, width, height) {
        path.push_rect(rect);
    }
    if let Some(path) = path.finish() {
        surface.draw_path(&path);
    }
}
