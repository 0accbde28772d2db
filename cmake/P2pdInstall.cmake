include(GNUInstallDirs)
install(TARGETS p2pd p2p-relay p2pctl RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
