# A stand-in for the LuCI feed's luci.mk.
LUCI_NAME:=$(notdir $(CURDIR))
PKG_NAME:=$(LUCI_NAME)
include $(INCLUDE_DIR)/package.mk

define Package/$(PKG_NAME)
  TITLE:=$(LUCI_TITLE)
  DEPENDS:=$(LUCI_DEPENDS)
endef

define Package/$(PKG_NAME)/install
	$(INSTALL_DIR) $(1)/www
	$(CP) ./htdocs/* $(1)/www/
	$(CP) ./root/* $(1)/
endef

$(eval $(call BuildPackage,$(PKG_NAME)))
