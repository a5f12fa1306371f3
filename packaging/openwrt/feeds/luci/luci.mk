# A stand-in for the LuCI feed's luci.mk, but for translations, which take LuCI's own compiler.
LUCI_NAME:=$(notdir $(CURDIR))
PKG_NAME:=$(LUCI_NAME)
include $(INCLUDE_DIR)/package.mk

define Package/$(PKG_NAME)
  SECTION:=luci
  TITLE:=$(LUCI_TITLE)
  DEPENDS:=$(LUCI_DEPENDS)
  PKGARCH:=$(LUCI_PKGARCH)
endef

define Package/$(PKG_NAME)/description
 $(LUCI_DESCRIPTION)
endef

# What is cached of menus and modules is stale now, and rpcd has to learn what the pages may call.
define Package/$(PKG_NAME)/postinst
#!/bin/sh
[ -n "$${IPKG_INSTROOT}" ] || {
	rm -rf /tmp/luci-indexcache* /tmp/luci-modulecache/
	/etc/init.d/rpcd reload 2>/dev/null
}
exit 0
endef

define Package/$(PKG_NAME)/install
	$(INSTALL_DIR) $(1)/www
	$(CP) ./htdocs/* $(1)/www/
	$(CP) ./root/* $(1)/
	chmod -R u=rwX,go=rX $(1)
endef

$(eval $(call BuildPackage,$(PKG_NAME)))
