// Vulkan's C++ header for llama.cpp where the installed one is older than VK_EXT_layer_settings (Debian 12 has 1.3.239).
//
// llama.cpp's Vulkan backend fills three types of that extension in, for a validation layer that a normal build leaves out;
// a loader or driver passes over links of the chain that it does not know. With newer headers this file adds nothing.
// For use: CXXFLAGS=-I<the folder above this one>, an absolute path.
#pragma once
#include_next <vulkan/vulkan.hpp>

#ifndef VK_EXT_layer_settings
namespace VULKAN_HPP_NAMESPACE {

enum class LayerSettingTypeEXT { eBool32 = 0 };

struct LayerSettingEXT {
    const char *pLayerName;
    const char *pSettingName;
    LayerSettingTypeEXT type;
    uint32_t valueCount;
    const void *pValues;
};

struct LayerSettingsCreateInfoEXT {
    // Number of the structure in the extension's registry entry: 1000000000 + 1000 * (497 - 1) + 0.
    StructureType sType = static_cast<StructureType>(1000496000);
    const void *pNext = nullptr;
    uint32_t settingCount;
    const LayerSettingEXT *pSettings;

    explicit LayerSettingsCreateInfoEXT(const std::vector<LayerSettingEXT> &settings)
        : settingCount(static_cast<uint32_t>(settings.size())), pSettings(settings.data()) {}
};

} // namespace VULKAN_HPP_NAMESPACE
#endif
