//! What spreadsheets do to codes, and which sheet of a workbook is read.

use std::io::{Cursor, Write};

use rust_xlsxwriter::{Chart, ChartType, Format, Formula, Workbook, Worksheet};
use serde_json::{Value, json};

use crate::imports::{BAGS, CSV, LINKS, XLSX, finished, send};
use crate::support::{Person, Warehouse, database};

const REMEDY: &str = "Format the column as text and type the code again.";

/// A refused row: line, the cells of the file, code, reason.
struct Refused {
    line: i64,
    cells: Vec<String>,
    code: String,
    reason: String,
}

async fn import(admin: &Person, fields: &[(&str, &str)], file_name: &str, file: &[u8]) -> (Value, Vec<Refused>) {
    let content_type = if file_name.ends_with(".csv") { CSV } else { "application/octet-stream" };
    let taken = send(admin, fields, file_name, content_type, file).await.expect(202);
    let done = finished(admin, &taken.body).await;
    let errors = admin.get(&format!("/imports/{}/errors", done["id"].as_str().unwrap())).await.expect(200);
    let mut reader = csv::Reader::from_reader(errors.text.as_bytes());
    let refused = reader.records().map(|row| {
        let row: Vec<String> = row.expect("a row").iter().map(str::to_owned).collect();
        let [line, cells @ .., code, reason] = row.as_slice() else { panic!("too few columns") };
        let (code, reason) = (code.clone(), reason.clone());
        Refused { line: line.parse().expect("a line"), cells: cells.to_vec(), code, reason }
    });
    (done, refused.collect())
}

async fn bags(warehouse: &Warehouse) -> i64 {
    database::number(&warehouse.database_url, "SELECT count(*) AS n FROM bags").await
}

/// A workbook of one sheet that `fill` writes.
fn workbook(fill: impl FnOnce(&mut Worksheet)) -> Vec<u8> {
    let mut workbook = Workbook::new();
    fill(workbook.add_worksheet());
    workbook.save_to_buffer().expect("a workbook")
}

fn cells_of(rows: &[(&str, f64)], sheet: &mut Worksheet) {
    sheet.write_string(0, 0, "code").unwrap();
    for (row, (format, value)) in (1..).zip(rows) {
        sheet.write_number_with_format(row, 0, *value, &Format::new().set_num_format(*format)).unwrap();
    }
}

/// Number formats and values of which the cell shows something else: and what it shows.
const CHANGED: &[(&str, f64, &str)] = &[
    ("00000000", 123.0, "00000123"),
    ("00000", 0.0, "00000"),
    ("0000 0000", 12_345_678.0, "1234 5678"),
    ("000-00-000", 12_345_678.0, "123-45-678"),
    ("#,##0", 1234.0, "1,234"),
    ("#,##,##0", 1_234_567.0, "1,234,567"),
    ("0.00", 100.0, "100.00"),
    ("0.0", 7.0, "7.0"),
    ("0%", 5.0, "500%"),
    ("0.00E+00", 100_000.0, "1.00E+05"),
    ("##0.0E+0", 46_000.0, "46.0E+3"),
    ("0E+0", 46_000.0, "5E+4"),
    ("# ?/?", 0.5, "1/2"),
    ("\"CB-\"0", 123.0, "CB-123"),
    ("\\C\\B000", 7.0, "CB007"),
    ("0\" kg\"", 123.0, "123 kg"),
    ("[$₹-4009]0", 500.0, "₹500"),
    ("$#,##0_);($#,##0)", 500.0, "$500"),
    ("[Red]0000", 12.0, "0012"),
    ("[<1000]000;0", 12.0, "012"),
    ("0,", 123_456.0, "123"),
    ("\"hidden\"", 123.0, "hidden"),
    (";;;", 123.0, ""),
    ("General\" x\"", 123.0, "123 x"),
    ("0", 123.4, "123"),
    ("d-mmm", 46_082.0, "1-Mar"),
    ("mmm-yy", 46_082.0, "Mar-26"),
    ("yyyy-mm-dd", 46_082.0, "2026-03-01"),
    ("dd/mm/yyyy hh:mm", 46_082.5, "01/03/2026 12:00"),
    ("h:mm AM/PM", 0.75, "6:00 PM"),
    ("[h]:mm", 1.5, "36:00"),
    ("dddd, d mmmm yyyy", 46_082.0, "Sunday, 1 March 2026"),
    ("General", 8_901_234_567_890_124_000_000.0, "8.90123E+21"),
    ("0", 1_234_567_890_123_456.0, "1234567890123460"),
    ("@", 1e15, "1E+15"),
];

/// Number formats and values of which the cell shows just the value.
const UNCHANGED: &[(&str, f64)] = &[
    ("General", 123.0),
    ("general", 124.0),
    ("[Blue]General", 125.0),
    ("0", 126.0),
    ("#", 127.0),
    ("@", 128.0),
    ("00000", 12_901.0),
    ("#,##0", 130.0),
    ("0_)", 131.0),
    ("#,##0_);(#,##0)", 132.0),
    ("[Red]0", 133.0),
    ("[>5]0;000", 134.0),
    ("0;-0;;@", 135.0),
    ("[$-409]0", 136.0),
    ("??????", 137.0),
    ("* 0", 138.0),
    ("# ?/?", 139.0),
    ("General", 999_999_999_999_999.0),
    ("0", 8_901_030_200_171.0),
    ("General", 123_456_789_011.0),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_number_that_its_format_shows_otherwise_is_refused_and_every_other_is_taken() {
    let warehouse = Warehouse::open().await;
    let admin = warehouse.admin().await;
    let changed: Vec<(&str, f64)> = CHANGED.iter().map(|(format, value, _)| (*format, *value)).collect();
    let file = workbook(|sheet| cells_of(&changed, sheet));
    let modes: [&[(&str, &str)]; 3] = [&[("kind", "bags"), ("dry_run", "true")], &[("kind", "bags"), ("mode", "all_or_nothing")], BAGS];
    for fields in modes {
        let (done, refused) = import(&admin, fields, "codes.xlsx", &file).await;
        assert_eq!((&done["progress"]["rows_read"], refused.len()), (&json!(CHANGED.len()), CHANGED.len()), "{done}");
        for ((row, (format, value, shown)), refused) in (2..).zip(CHANGED).zip(&refused) {
            let case = format!("{format:?} {value}: {}", refused.reason);
            assert_eq!((refused.line, refused.code.as_str()), (row, "cell_changed"), "{case}");
            let seen = if shown.is_empty() { format!("Cell A{row} shows nothing") } else { format!("Cell A{row} shows \"{shown}\"") };
            assert!(refused.reason.starts_with(&seen), "{case} instead of {seen}");
            assert!(refused.reason.ends_with(REMEDY), "{case}");
        }
        assert_eq!(bags(&warehouse).await, 0);
    }

    let file = workbook(|sheet| cells_of(UNCHANGED, sheet));
    let (done, refused) = import(&admin, BAGS, "codes.xlsx", &file).await;
    let refused: Vec<String> = refused.into_iter().map(|row| row.reason).collect();
    assert_eq!((done["progress"]["rows_accepted"].as_u64(), refused.as_slice()), (Some(UNCHANGED.len() as u64), &[][..]));
    for (_, value) in UNCHANGED {
        admin.get(&format!("/bags/{value}")).await.expect(200);
    }
    assert_eq!(bags(&warehouse).await, UNCHANGED.len() as i64);
}

#[tokio::test(flavor = "multi_thread")]
async fn dates_booleans_and_zeros_of_real_files_are_refused() {
    let warehouse = Warehouse::open().await;
    let admin = warehouse.admin().await;
    let (done, refused) = import(&admin, BAGS, "03.xlsx", include_bytes!("fixtures/date-and-boolean-codes.xlsx")).await;
    assert_eq!((done["sheet"].as_str(), done["progress"]["rows_accepted"].as_u64()), (Some("Sheet"), Some(1)), "{done}");
    let date = format!("Cell A2 shows \"1-Mar\" and holds a date: the spreadsheet has changed the code. {REMEDY}");
    let boolean = format!("Cell A3 shows \"TRUE\" and holds true or false: the spreadsheet has changed the code. {REMEDY}");
    assert_eq!(refused.iter().map(|row| row.reason.clone()).collect::<Vec<_>>(), [date, boolean]);
    // What the code was is lost, so the download leaves a gap: nobody can hand in the wrong code by mistake.
    assert_eq!(refused[0].cells, ["", "was typed MAR-1"]);
    let (_, refused) = import(&admin, BAGS, "05.xlsx", include_bytes!("fixtures/leading-zeros-by-format.xlsx")).await;
    let zeros = format!("Cell A2 shows \"00000123\" and holds the number 123: the spreadsheet has changed the code. {REMEDY}");
    assert_eq!(
        (refused[0].reason.as_str(), refused[0].cells.as_slice()),
        (zeros.as_str(), &["00000123".to_owned(), "shown as 00000123".to_owned()][..])
    );
    assert_eq!(bags(&warehouse).await, 1);
    admin.get("/bags/XD-TEXT1").await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_cell_is_read_as_what_it_shows() {
    let warehouse = Warehouse::open().await;
    let admin = warehouse.admin().await;
    let bold = Format::new().set_bold();
    let plain = Format::new();
    let file = workbook(|sheet| {
        for (column, name) in (0..).zip(["child", "note", "parent"]) {
            sheet.write_string(0, column, name).unwrap();
        }
        let mut row = 0;
        let mut next = |sheet: &mut Worksheet, write: &dyn Fn(&mut Worksheet, u32)| {
            row += 1;
            sheet.write_string(row, 2, "SB00001").unwrap();
            write(sheet, row);
        };
        next(sheet, &|sheet, row| {
            sheet.write_string(row, 0, "CB-1").unwrap();
        });
        next(sheet, &|sheet, row| {
            sheet.write_rich_string(row, 0, &[(&bold, "CB"), (&plain, "-2")]).unwrap();
        });
        next(sheet, &|sheet, row| {
            sheet.write_formula(row, 0, Formula::new("=\"CB-\"&3").set_result("CB-3")).unwrap();
        });
        next(sheet, &|sheet, row| {
            sheet.write_formula(row, 0, Formula::new("=2000+4").set_result("2004")).unwrap();
        });
        next(sheet, &|sheet, row| {
            sheet.write_string_with_format(row, 0, "000123", &Format::new().set_num_format("@")).unwrap();
        });
        next(sheet, &|sheet, row| {
            sheet.write_string(row, 0, "8901234567890123456789").unwrap();
        });
        // A name, an area or a note may be anything.
        next(sheet, &|sheet, row| {
            sheet.write_string(row, 0, "CB-7").unwrap();
            sheet.write_number_with_format(row, 1, 46_082.0, &Format::new().set_num_format("d-mmm")).unwrap();
        });
        next(sheet, &|sheet, row| {
            sheet.write_boolean(row, 0, false).unwrap();
        });
        next(sheet, &|sheet, row| {
            sheet.write_formula(row, 0, Formula::new("=NA()").set_result("#N/A")).unwrap();
        });
        next(sheet, &|sheet, row| {
            sheet.write_formula(row, 0, Formula::new("=1=1").set_result("TRUE")).unwrap();
        });
        next(sheet, &|sheet, row| {
            let date = Format::new().set_num_format("dd-mm-yyyy");
            sheet.write_string(row, 0, "CB-11").unwrap();
            sheet.write_number_with_format(row, 2, 46_082.0, &date).unwrap();
        });
    });
    for mode in [("dry_run", "true"), ("mode", "all_or_nothing"), ("mode", "partial")] {
        let (done, refused) = import(&admin, &[("kind", "links"), mode], "links.xlsx", &file).await;
        let found: Vec<(i64, &str, &str)> =
            refused.iter().map(|row| (row.line, row.code.as_str(), &row.reason[..row.reason.find(" and").unwrap_or(0)])).collect();
        let wanted = [
            (9, "cell_changed", "Cell A9 shows \"FALSE\""),
            (10, "cell_changed", "Cell A10 shows \"#N/A\""),
            (11, "cell_changed", "Cell A11 shows \"TRUE\""),
            (12, "cell_changed", "Cell C12 shows \"01-03-2026\""),
        ];
        assert_eq!(found, wanted, "{mode:?} {done}");
        assert_eq!(refused[3].cells, ["CB-11", "", ""]);
    }
    let children = admin.get("/bags/SB00001/children").await.expect(200);
    let codes: Vec<&str> = children.rows().iter().map(|bag| bag["qr_code"].as_str().unwrap()).collect();
    assert_eq!(codes, ["CB-1", "CB-2", "CB-3", "2004", "000123", "8901234567890123456789", "CB-7"]);
    warehouse.assert_counts_equal_rows().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_traces_of_a_spreadsheet_in_csv_are_refused_alike() {
    let warehouse = Warehouse::open().await;
    let admin = warehouse.admin().await;
    let changed = [
        "1.23E+15",
        "4.6E+04",
        "1E+05",
        "8.90123E+21",
        "1,23E+15",
        "1.5E-05",
        "TRUE",
        "false",
        "1-Mar",
        "01-Mar",
        "12-May-26",
        "3-Sep-2026",
        "Mar-26",
        "#N/A",
        "#REF!",
        "#NAME?",
        "1,234",
        "100.00",
        "12%",
    ];
    let mut text = "name;code\n".to_owned();
    changed.iter().for_each(|code| text.push_str(&format!("4.6E+04;{code}\n")));
    let good = ["1E5", "4E12", "E+1A", "TRUE1", "1-MAR", "MAR-1", "12-MARS", "MAY-12-1", "2026-03-01", "0123"];
    good.iter().filter(|code| !code.contains('+')).for_each(|code| text.push_str(&format!("TRUE;{code}\n")));
    for fields in [&[("kind", "bags"), ("dry_run", "true")][..], BAGS] {
        let (done, refused) = import(&admin, fields, "codes.csv", text.as_bytes()).await;
        assert!(done["sheet"].is_null(), "{done}");
        assert_eq!((refused.len(), done["progress"]["rows_accepted"].as_u64()), (changed.len(), Some(9)), "{done}");
        for ((line, code), row) in (2..).zip(changed).zip(&refused) {
            assert_eq!((row.line, row.code.as_str()), (line, "cell_changed"), "{code}: {}", row.reason);
            let start = format!("Line {line}, column \"code\": \"{code}\"");
            assert!(row.reason.starts_with(&start) && row.reason.contains(REMEDY), "{}", row.reason);
        }
    }
    let links = "parent,child\n1.2E+05,CB-1\nSB00001,4.6E+04\n";
    let (_, refused) = import(&admin, LINKS, "links.csv", links.as_bytes()).await;
    let places: Vec<&str> = refused.iter().map(|row| &row.reason[..row.reason.find(':').unwrap()]).collect();
    assert_eq!(places, ["Line 2, column \"parent\"", "Line 3, column \"child\""]);
    assert_eq!(bags(&warehouse).await, 9);
}

/// A sheet whose only row tells which sheet it is.
fn mark(sheet: &mut Worksheet, code: &str) {
    sheet.write_string(0, 0, "code").unwrap();
    sheet.write_string(1, 0, code).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_visible_worksheet_is_read_and_named() {
    let warehouse = Warehouse::open().await;
    let admin = warehouse.admin().await;
    let mut workbook = Workbook::new();
    mark(workbook.add_worksheet().set_name("Lists").unwrap().set_hidden(true), "HIDDEN-1");
    mark(workbook.add_worksheet().set_name("Macros").unwrap().set_very_hidden(true), "HIDDEN-2");
    let mut chart = Chart::new(ChartType::Column);
    chart.add_series().set_values("='Bags & more'!$A$1:$A$2");
    workbook.add_chartsheet().set_name("Chart").unwrap().insert_chart(0, 0, &chart).unwrap();
    mark(workbook.add_worksheet().set_name("Bags & more").unwrap().set_active(true), "SEEN-1");
    mark(workbook.add_worksheet().set_name("Later").unwrap(), "LATER-1");
    let file = workbook.save_to_buffer().unwrap();
    for fields in [&[("kind", "bags"), ("dry_run", "true")][..], &[("kind", "bags"), ("mode", "all_or_nothing")], BAGS] {
        let taken = send(&admin, fields, "sheets.xlsx", XLSX, &file).await.expect(202);
        assert_eq!(taken.body["sheet"], "Bags & more", "named before the work begins");
        let (done, refused) = import(&admin, fields, "sheets.xlsx", &file).await;
        assert_eq!((done["sheet"].as_str(), refused.len()), (Some("Bags & more"), 0), "{done}");
    }
    assert_eq!(bags(&warehouse).await, 1);
    admin.get("/bags/SEEN-1").await.expect(200);
    assert_eq!(admin.get("/imports?limit=1").await.expect(200).rows()[0]["sheet"], "Bags & more");
}

const MAIN: &str = "http://schemas.openxmlformats.org/spreadsheetml/2006/main";
const STRICT: &str = "http://purl.oclc.org/ooxml/spreadsheetml/main";

/// A workbook as other programs write it: `x:` before every name, or the namespaces of Strict Open XML.
struct Handmade {
    prefix: &'static str,
    namespace: &'static str,
    relationships: &'static str,
    /// Name, state, kind of part, rows as XML.
    sheets: Vec<(&'static str, &'static str, &'static str, String)>,
    properties: &'static str,
}

impl Handmade {
    fn new(rows: &str) -> Self {
        Self {
            prefix: "",
            namespace: MAIN,
            relationships: "http://schemas.openxmlformats.org/officeDocument/2006/relationships",
            sheets: vec![("Codes", "visible", "worksheet", rows.to_owned())],
            properties: "",
        }
    }

    fn bytes(&self) -> Vec<u8> {
        let (p, ns, rels) = (self.prefix, self.namespace, self.relationships);
        let xmlns = if p.is_empty() { format!("xmlns=\"{ns}\"") } else { format!("xmlns:{}=\"{ns}\"", p.trim_end_matches(':')) };
        let package = "http://schemas.openxmlformats.org/package/2006/relationships";
        let mut parts = vec![
            (
                "_rels/.rels".to_owned(),
                format!(
                    "<Relationships xmlns=\"{package}\"><Relationship Id=\"a\" Type=\"{rels}/officeDocument\" Target=\"xl/workbook.xml\"/></Relationships>"
                ),
            ),
            (
                "xl/styles.xml".to_owned(),
                format!(
                    "<{p}styleSheet {xmlns}><{p}numFmts count=\"1\"><{p}numFmt numFmtId=\"170\" formatCode=\"00000\"/></{p}numFmts>\
                 <{p}cellXfs count=\"5\"><{p}xf/><{p}xf numFmtId=\"14\"/><{p}xf numFmtId=\"170\"/><{p}xf numFmtId=\"58\"/><{p}xf numFmtId=\"7\"/></{p}cellXfs></{p}styleSheet>"
                ),
            ),
        ];
        let mut sheets = String::new();
        let mut relationships = String::new();
        for (n, (name, state, kind, rows)) in self.sheets.iter().enumerate() {
            sheets.push_str(&format!("<{p}sheet name=\"{name}\" sheetId=\"{}\" state=\"{state}\" r:id=\"r{n}\"/>", n + 1));
            let of = if kind.contains("acrosheet") { "http://schemas.microsoft.com/office/2006/relationships" } else { rels };
            relationships.push_str(&format!("<Relationship Id=\"r{n}\" Type=\"{of}/{kind}\" Target=\"sheets/s{n}.xml\"/>"));
            parts.push((format!("xl/sheets/s{n}.xml"), format!("<{p}worksheet {xmlns}><{p}sheetData>{rows}</{p}sheetData></{p}worksheet>")));
        }
        let properties = self.properties;
        parts.push((
            "xl/workbook.xml".to_owned(),
            format!("<{p}workbook {xmlns} xmlns:r=\"{rels}\"><{p}workbookPr {properties}/><{p}sheets>{sheets}</{p}sheets></{p}workbook>"),
        ));
        parts.push(("xl/_rels/workbook.xml.rels".to_owned(), format!("<Relationships xmlns=\"{package}\">{relationships}</Relationships>")));
        let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
        for (name, text) in parts {
            writer.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
            writer.write_all(format!("<?xml version=\"1.0\"?>{text}").as_bytes()).unwrap();
        }
        writer.finish().unwrap().into_inner()
    }
}

/// The rows that each program's file has: a good code, then a date, zeros, two built-in formats of which Open XML
/// does not say what they are, an ISO date, and a number without an address.
fn rows_with(p: &str) -> String {
    let text = |t: &str| format!("<{p}is><{p}t>{t}</{p}t></{p}is>");
    format!(
        "<{p}row r=\"1\"><{p}c r=\"A1\" t=\"inlineStr\">{}</{p}c></{p}row><{p}row r=\"2\"><{p}c r=\"A2\" t=\"inlineStr\">{}</{p}c></{p}row>\
         <{p}row r=\"3\"><{p}c r=\"A3\" s=\"1\"><{p}v>46082</{p}v></{p}c></{p}row><{p}row r=\"4\"><{p}c r=\"A4\" s=\"2\"><{p}v>123</{p}v></{p}c></{p}row>\
         <{p}row r=\"5\"><{p}c r=\"A5\" s=\"3\"><{p}v>46082</{p}v></{p}c></{p}row><{p}row r=\"6\"><{p}c r=\"A6\" s=\"4\"><{p}v>500</{p}v></{p}c></{p}row>\
         <{p}row r=\"7\"><{p}c r=\"A7\" t=\"d\"><{p}v>2026-03-01T00:00:00</{p}v></{p}c></{p}row><{p}row><{p}c><{p}v>777</{p}v></{p}c></{p}row>",
        text("code"),
        text("CB-1")
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn workbooks_of_other_programs_are_read_alike() {
    let admin_of = async |warehouse: &Warehouse| warehouse.admin().await;
    let warehouse = Warehouse::open().await;
    let admin = admin_of(&warehouse).await;
    let plain = Handmade::new(&rows_with(""));
    let prefixed = Handmade { prefix: "x:", ..Handmade::new(&rows_with("x:")) };
    let strict =
        Handmade { namespace: STRICT, relationships: "http://purl.oclc.org/ooxml/officeDocument/relationships", ..Handmade::new(&rows_with("")) };
    for (name, handmade) in [("plain", plain), ("prefixed", prefixed), ("strict", strict)] {
        let (done, refused) = import(&admin, BAGS, "codes.xlsx", &handmade.bytes()).await;
        let found: Vec<(i64, &str)> = refused.iter().map(|row| (row.line, row.code.as_str())).collect();
        assert_eq!(found, [3, 4, 5, 6, 7].map(|line| (line, "cell_changed")), "{name} {done}");
        let shown = |n: usize| refused[n].reason.split('"').nth(1).unwrap();
        assert_eq!((shown(0), shown(1), shown(2)), ("2026-03-01", "00123", "2026-03-01"), "{name}");
        assert!(refused[3].reason.starts_with("Cell A6 shows \"$500"), "{name} {}", refused[3].reason);
        assert_eq!(shown(4), "2026-03-01T00:00:00");
        assert_eq!(done["sheet"], "Codes");
    }
    assert_eq!(bags(&warehouse).await, 2, "CB-1 and 777");

    // The date system of old Macs counts from 1904.
    let old_mac = Handmade { properties: "date1904=\"1\"", ..Handmade::new(&rows_with("")) };
    let (_, refused) = import(&admin, BAGS, "codes.xlsx", &old_mac.bytes()).await;
    assert!(refused[0].reason.starts_with("Cell A3 shows \"2030-03-02\""), "{}", refused[0].reason);

    let mut macros = Handmade::new(&rows_with(""));
    for (n, kind) in ["xlMacrosheet", "xlIntlMacrosheet", "dialogsheet"].into_iter().enumerate() {
        macros.sheets.insert(n, (["Macro1", "Macro2", "Dialog"][n], "visible", kind, String::new()));
    }
    let (done, refused) = import(&admin, BAGS, "codes.xlsm", &macros.bytes()).await;
    assert_eq!((done["sheet"].as_str(), refused.len()), (Some("Codes"), 5), "{done}");

    let mut hidden = Handmade::new(&rows_with(""));
    hidden.sheets[0].1 = "hidden";
    let none = send(&admin, BAGS, "codes.xlsx", XLSX, &hidden.bytes()).await.problem(422, "import_unreadable");
    assert!(none.body["detail"].as_str().unwrap().contains("no visible worksheet"), "{}", none.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sheet_of_changed_codes_alone_is_not_taken_for_an_empty_one() {
    let warehouse = Warehouse::open().await;
    let admin = warehouse.admin().await;
    let file = workbook(|sheet| cells_of(&[(";;;", 5.0), (";;;", 6.0)], sheet));
    let (done, refused) = import(&admin, BAGS, "codes.xlsx", &file).await;
    assert_eq!((done["progress"]["rows_read"].as_u64(), refused.len()), (Some(2), 2), "{done}");
}
