#pragma once
void fake_log(const char *tag, const char *format, ...) __attribute__((format(printf, 2, 3)));
#define ESP_LOGE(tag, format, ...) fake_log(tag, format, ##__VA_ARGS__)
