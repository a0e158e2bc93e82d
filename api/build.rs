//! The web app is embedded from `frontend/build`. A checkout that has not built it yet must still compile:
//! the server then answers API requests, and 404 for pages.

fn main() {
    let folder = std::path::Path::new("../frontend/build");
    if !folder.exists() {
        std::fs::create_dir_all(folder).expect("frontend/ can be written");
    }
    println!("cargo::rerun-if-changed=../frontend/build");
    println!("cargo::rerun-if-changed=../migrations");
}
