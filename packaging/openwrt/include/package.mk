# A stand-in for OpenWrt's package.mk. For each package: `install-NAME` lays its files into DEST, `scripts-NAME` its
# maintainer scripts, conffiles and description, `about-NAME` prints what its definition says. `prepare` and `compile` do what
# they do there.
PKG_BUILD_DIR?=$(DEST)/build
all:

define BuildPackage
$(eval DEPENDS:=)$(eval VARIANT:=)$(eval CONFLICTS:=)$(eval PROVIDES:=)$(eval USERID:=)$(eval TITLE:=)$(eval URL:=)$(eval SECTION:=)$(eval PKGARCH:=)
$(eval $(Package/$(1)))
.PHONY: install-$(1) scripts-$(1) about-$(1)
install-$(1):
$(call Package/$(1)/install,$(DEST))
scripts-$(1):
	$$(file >$(DEST)/postinst,$$(Package/$(1)/postinst))
	$$(file >$(DEST)/prerm,$$(Package/$(1)/prerm))
	$$(file >$(DEST)/conffiles,$$(Package/$(1)/conffiles))
	$$(file >$(DEST)/description,$$(Package/$(1)/description))
about-$(1):
	@echo 'version=$(PKG_VERSION)-r$(PKG_RELEASE)'
	@echo 'license=$(PKG_LICENSE)'
	@echo 'maintainer=$(PKG_MAINTAINER)'
	@echo 'title=$(TITLE)'
	@echo 'section=$(SECTION)'
	@echo 'url=$(URL)'
	@echo 'architecture=$(PKGARCH)'
	@echo 'depends=$(DEPENDS)'
	@echo 'variant=$(VARIANT)'
	@echo 'conflicts=$(CONFLICTS)'
	@echo 'provides=$(PROVIDES)'
	@echo 'userid=$(USERID)'
	@echo 'build_depends=$(PKG_BUILD_DEPENDS)'
	@echo 'profile=$(CARGO_PKG_PROFILE)'
	@echo 'features=$(RUST_PKG_FEATURES)'
	@echo 'compile=$(strip $(Build/Compile))'
	@echo 'rustflags=$(CARGO_RUSTFLAGS)'
	@echo 'depends_on_files=$(PKG_FILE_DEPENDS)'
endef
prepare:
	$(Build/Prepare)
compile:
	$(Build/Compile)
