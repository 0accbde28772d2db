// Boost.JSON's own code, in the one file that compiles it.
#include <boost/json/src.hpp>
