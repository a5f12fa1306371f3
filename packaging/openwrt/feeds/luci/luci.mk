# A stand-in for the LuCI feed's luci.mk. Translations are laid down as they are, `.po`: whoever packs them compiles them.
LUCI_LANG.de:=Deutsch (German)
LUCI_LANG.es:=Español (Spanish)
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

# A package for each language: luci-i18n-NAME-LANGUAGE, which tells LuCI of the language when it is installed.
LUCI_BASENAME:=$(patsubst luci-app-%,%,$(LUCI_NAME))
define Language
define Package/luci-i18n-$(LUCI_BASENAME)-$(1)
  SECTION:=luci
  TITLE:=$(LUCI_TITLE) - $(LUCI_LANG.$(1))
  DEPENDS:=+$(LUCI_NAME)
  PKGARCH:=all
endef

define Package/luci-i18n-$(LUCI_BASENAME)-$(1)/description
 Translation of $(LUCI_NAME): $(LUCI_LANG.$(1))
endef

define Package/luci-i18n-$(LUCI_BASENAME)-$(1)/install
	$$(INSTALL_DIR) $$(1)/etc/uci-defaults $$(1)/usr/lib/lua/luci/i18n
	echo "uci set luci.languages.$(1)='$(LUCI_LANG.$(1))'; uci commit luci" >$$(1)/etc/uci-defaults/luci-i18n-$(LUCI_BASENAME)-$(1)
	$$(INSTALL_DATA) ./po/$(1)/$(LUCI_BASENAME).po $$(1)/usr/lib/lua/luci/i18n/$(LUCI_BASENAME).$(1).po
endef

Package/luci-i18n-$(LUCI_BASENAME)-$(1)/postinst=$$(Package/$(LUCI_NAME)/postinst)
$$(eval $$(call BuildPackage,luci-i18n-$(LUCI_BASENAME)-$(1)))
endef

$(foreach language,$(filter-out templates,$(notdir $(wildcard $(CURDIR)/po/*))),$(eval $(call Language,$(language))))
