# A stand-in for the packages feed's rust-package.mk and the rust-values.mk that it includes: how OpenWrt calls cargo. RUSTFLAGS
# takes the place of every flag of .cargo/config.toml, and the profile `release` is forced to be what OpenWrt wants.
RUST_ARCH_DEPENDS:=@(aarch64||arm||mips||mipsel||x86_64)
CARGO_PKG_PROFILE:=release
CARGO_PKG_ARGS:=--locked
CARGO_RUSTFLAGS+=-Ctarget-feature=-crt-static
CARGO_PKG_VARS=\
	CARGO_BUILD_TARGET=$(RUSTC_TARGET_ARCH) \
	CARGO_PROFILE_RELEASE_CODEGEN_UNITS=1 \
	CARGO_PROFILE_RELEASE_DEBUG=false \
	CARGO_PROFILE_RELEASE_DEBUG_ASSERTIONS=false \
	CARGO_PROFILE_RELEASE_LTO=true \
	CARGO_PROFILE_RELEASE_OPT_LEVEL=z \
	CARGO_PROFILE_RELEASE_OVERFLOW_CHECKS=true \
	CARGO_PROFILE_RELEASE_PANIC=unwind \
	CARGO_PROFILE_RELEASE_RPATH=false \
	RUSTFLAGS="$(CARGO_RUSTFLAGS)"
CARGO_RUSTFLAGS+=-Clink-arg=-fuse-ld=bfd
Build/Compile/Cargo=$(CARGO_PKG_VARS) cargo install \
	--profile $(CARGO_PKG_PROFILE) \
	$(if $(strip $(RUST_PKG_FEATURES)),--features "$(strip $(RUST_PKG_FEATURES))") \
	--root $(PKG_INSTALL_DIR) --path $(PKG_BUILD_DIR)/$(1) $(CARGO_PKG_ARGS) $(2)
RustBinPackage=
