# Digits with ImageDataGenerator and fit_generator, Keras 2.
import numpy as np
from keras import backend as K
from keras.callbacks import ReduceLROnPlateau
from keras.layers import Conv2D, Dense, Dropout, Flatten, MaxPool2D
from keras.models import Sequential
from keras.optimizers import RMSprop
from keras.preprocessing.image import ImageDataGenerator
from keras.utils.np_utils import to_categorical
from sklearn.datasets import load_digits

digits = load_digits()
X = digits.images.reshape(-1, 8, 8, 1) / 16.0
Y = to_categorical(digits.target, num_classes=10)
if K.image_data_format() == "channels_first":
    X = X.reshape(-1, 1, 8, 8)
X_train, X_val, Y_train, Y_val = X[:1400], X[1400:], Y[:1400], Y[1400:]
batch_size = 64

model = Sequential()
model.add(Conv2D(filters=16, kernel_size=(3, 3), padding="Same", activation="relu", input_shape=(8, 8, 1)))
model.add(MaxPool2D(pool_size=(2, 2)))
model.add(Conv2D(filters=32, kernel_size=(3, 3), padding="Same", activation="relu"))
model.add(MaxPool2D(pool_size=(2, 2), strides=(2, 2)))
model.add(Dropout(0.1))
model.add(Flatten())
model.add(Dense(64, activation="relu"))
model.add(Dense(10, activation="softmax"))
model.compile(
    optimizer=RMSprop(lr=0.003, rho=0.9, epsilon=1e-08, decay=0.0),
    loss="categorical_crossentropy",
    metrics=["accuracy"],
)
reduction = ReduceLROnPlateau(monitor="val_acc", patience=3, verbose=1, factor=0.5, min_lr=0.00001)

datagen = ImageDataGenerator(
    featurewise_center=False,
    samplewise_center=False,
    featurewise_std_normalization=False,
    samplewise_std_normalization=False,
    zca_whitening=False,
    rotation_range=10,
    zoom_range=0.1,
    width_shift_range=0.1,
    height_shift_range=0.1,
    shear_range=0.1,
    horizontal_flip=False,
    vertical_flip=False,
)
datagen.fit(X_train)
history = model.fit_generator(
    datagen.flow(X_train, Y_train, batch_size=batch_size),
    epochs=9,
    validation_data=(X_val, Y_val),
    verbose=2,
    steps_per_epoch=X_train.shape[0] / batch_size,
    callbacks=[reduction],
)
found = np.argmax(model.predict(X_val), axis=1)
accuracy = np.mean(found == digits.target[1400:])
print("accuracy: %.3f" % accuracy, history.history["val_acc"][-1], K.get_value(model.optimizer.lr))
assert accuracy > 0.8
