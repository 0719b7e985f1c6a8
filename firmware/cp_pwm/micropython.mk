# The module cp_pwm for MicroPython's ports that are built with make: core, exchange, the virtual circuit, binding.
# CP_PORT is host, for the unix port, or bare, for a processor without an operating system and without a charger.
# ESP32 is built with micropython.cmake.
CP_PWM_DIR := $(USERMOD_DIR)
CP_PORT ?= host

SRC_USERMOD_LIB_C += $(wildcard $(CP_PWM_DIR)/core/*.c) $(wildcard $(CP_PWM_DIR)/exchange/*.c)
SRC_USERMOD_LIB_C += $(CP_PWM_DIR)/ports/cp_port.c
SRC_USERMOD_LIB_C += $(addprefix $(CP_PWM_DIR)/ports/host/cp_, circuit.c host.c port_host.c register.c)
SRC_USERMOD_C += $(CP_PWM_DIR)/binding/cp_module.c $(CP_PWM_DIR)/ports/host/cp_circuit_binding.c

CFLAGS_USERMOD += -DCP_PORT_HOST
CFLAGS_USERMOD += $(addprefix -I$(CP_PWM_DIR)/, core exchange ports ports/host)

ifeq ($(CP_PORT),bare)
SRC_USERMOD_LIB_C += $(CP_PWM_DIR)/ports/bare/cp_bare.c
SRC_USERMOD_C += $(CP_PWM_DIR)/ports/bare/cp_bare_binding.c
CFLAGS_USERMOD += -DCP_PORT_BARE -I$(CP_PWM_DIR)/ports/bare
else
SRC_USERMOD_LIB_C += $(addprefix $(CP_PWM_DIR)/ports/host/cp_, host_thread.c register_file.c)
LDFLAGS_USERMOD += -lpthread
endif
