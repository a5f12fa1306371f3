# A stand-in for the packages feed's rust-package.mk.
RUST_ARCH_DEPENDS:=@(aarch64||arm||mips||mipsel||x86_64)
CARGO_PKG_PROFILE:=release
CARGO_PKG_ARGS:=--offline --locked
Build/Compile/Cargo=cargo install --profile $(CARGO_PKG_PROFILE) --path $(1) $(CARGO_PKG_ARGS) $(2)
RustBinPackage=
